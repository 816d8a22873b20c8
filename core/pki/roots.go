// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The files of a CA. What signs is ca.key and ca.crt; the others are there while it is rotated. Each step is the rename
// of a file, so that a crash leaves the state before or after, or one that mend completes.
const (
	fileKey      = "ca.key"
	fileCert     = "ca.crt"
	fileNextKey  = "next.key"
	fileNextCert = "next.crt"
	filePrevious = "previous.crt"
)

// trusted returns the roots; the one that signs is the first.
func (c *ca) trusted() []*x509.Certificate {
	all := []*x509.Certificate{c.cert}
	if c.next != nil {
		all = append(all, c.next)
	}
	if c.previous != nil {
		all = append(all, c.previous)
	}
	return all
}

func (c *ca) fingerprints() (all []string) {
	for _, root := range c.trusted() {
		all = append(all, fingerprint(root))
	}
	return all
}

// fingerprint is how people recognise a root.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// begin makes the next root.
func (c *ca) begin(dir string, now time.Time) (*ca, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert, err := selfSign(c.cloud, key, now)
	if err != nil {
		return nil, err
	}
	if err := writeKey(filepath.Join(dir, fileNextKey), key); err != nil {
		return nil, err
	}
	if err := writeCertificate(filepath.Join(dir, fileNextCert), cert); err != nil {
		return nil, err
	}
	return &ca{cloud: c.cloud, cert: c.cert, key: c.key, next: cert, nextKey: key}, nil
}

// change lets the next root sign. The key of the old one is gone with it.
func (c *ca) change(dir string) (*ca, error) {
	if err := writeCertificate(filepath.Join(dir, filePrevious), c.cert); err != nil {
		return nil, err
	}
	if err := rename(dir, fileNextKey, fileKey); err != nil {
		return nil, err
	}
	if err := rename(dir, fileNextCert, fileCert); err != nil {
		return nil, err
	}
	return &ca{cloud: c.cloud, cert: c.next, key: c.nextKey, previous: c.cert}, nil
}

// retire trusts the previous root no more.
func (c *ca) retire(dir string) (*ca, error) {
	if err := remove(dir, filePrevious); err != nil {
		return nil, err
	}
	return &ca{cloud: c.cloud, cert: c.cert, key: c.key}, nil
}

// mend completes, or takes back, a step that a crash interrupted.
func mend(dir string) error {
	key, err := readKey(filepath.Join(dir, fileKey))
	if err != nil {
		return err
	}
	cert, err := readCertificate(filepath.Join(dir, fileCert))
	if err != nil {
		return err
	}
	nextKey, err := readKey(filepath.Join(dir, fileNextKey))
	if err != nil {
		return err
	}
	next, err := readCertificate(filepath.Join(dir, fileNextCert))
	if err != nil {
		return err
	}
	previous, err := readCertificate(filepath.Join(dir, filePrevious))
	if err != nil {
		return err
	}
	switch {
	case next != nil && key != nil && belong(next, key): // change, between its renames
		return rename(dir, fileNextCert, fileCert)
	case previous != nil && cert != nil && previous.Equal(cert): // change, before them
		return remove(dir, filePrevious)
	case next == nil && nextKey != nil: // begin, between its files
		return remove(dir, fileNextKey)
	}
	return nil
}

// belong reports whether a certificate is of a key.
func belong(cert *x509.Certificate, key crypto.Signer) bool {
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	return ok && public.Equal(key.Public())
}

func rename(dir, from, to string) error {
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		return err
	}
	return syncDir(dir)
}

func remove(dir, file string) error {
	if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(dir)
}
