// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The types of PEM block.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
	blockRequest     = "CERTIFICATE REQUEST"
)

// readIssuer returns nil if there is no file.
func readIssuer(path string) (*issuer, error) {
	text, err := readFile(path)
	if err != nil || text == nil {
		return nil, err
	}
	i, err := parseIssuer(text)
	if err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return i, nil
}

// parseIssuer reads the PEM of what signs, and behind it the root that signed it, unless it is one.
func parseIssuer(text []byte) (*issuer, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != blockCertificate {
			return nil, fmt.Errorf("holds a PEM block %q among the certificates", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a damaged certificate: %w", err)
		}
		all = append(all, cert)
	}
	if len(all) != 1 && len(all) != 2 {
		return nil, fmt.Errorf("holds %d certificates in PEM, not one that signs and perhaps its root", len(all))
	}
	i := &issuer{cert: all[0], root: all[len(all)-1]}
	if err := i.cert.CheckSignatureFrom(i.root); err != nil {
		return nil, fmt.Errorf("holds a certificate that the root beside it did not sign: %w", err)
	}
	return i, nil
}

// readKey returns nil if there is no file. It refuses a key that others may read.
func readKey(path string) (crypto.Signer, error) {
	der, err := readBlock(path, blockKey)
	if err != nil || der == nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o, so others may have read the key: it must be 0600", path, info.Mode().Perm())
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that cannot sign", path)
	}
	return signer, nil
}

func readBlock(path, kind string) ([]byte, error) {
	text, err := readFile(path)
	if err != nil || text == nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

// readFile returns nil if there is no file.
func readFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

func writeIssuer(path string, i *issuer) error {
	return writeFile(path, encode(i.certificates()...), 0o644)
}

// encode returns certificates as PEM.
func encode(all ...*x509.Certificate) (text []byte) {
	for _, cert := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: cert.Raw})...)
	}
	return text
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(path, pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), 0o600)
}

// writeFile writes the whole file, on disk, or none.
func writeFile(path string, text []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
