// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/rhyzome/rhyzome/sdk/attach"
)

// identity is what a machine got when it joined. It is one file, so that a key and its certificate change together.
type identity struct {
	ProviderID   string   `json:"provider_id"`
	ProviderName string   `json:"provider_name"`
	Core         []string `json:"core"` // HOST:PORT
	Key          string   `json:"key"`  // PEM
	Certificate  string   `json:"certificate"`
	Roots        string   `json:"roots"`
}

func identityFile(stateDir string) string { return filepath.Join(stateDir, "identity.json") }

// readIdentity returns fs.ErrNotExist if the machine has not joined. It refuses an identity that others may read, where files
// have modes.
func readIdentity(stateDir string) (identity, error) {
	var id identity
	path := identityFile(stateDir)
	text, err := os.ReadFile(path)
	if err != nil {
		return id, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return id, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return id, fmt.Errorf("%s has mode %04o, so others may have read the key: chmod 600 it, and join anew if anybody else may be on this machine",
			path, mode)
	}
	if err := json.Unmarshal(text, &id); err != nil {
		return id, fmt.Errorf("%s: %w", path, err)
	}
	return id, nil
}

func (id identity) write(stateDir string) error {
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(identityFile(stateDir), append(text, '\n'))
}

// certified completes an identity with what a core signed for a key.
func (id identity) certified(key crypto.Signer, chain, roots [][]byte) (identity, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return id, err
	}
	id.Key = encode("PRIVATE KEY", der)
	id.Certificate = encode("CERTIFICATE", chain...)
	id.Roots = encode("CERTIFICATE", roots...)
	_, err = id.tls()
	return id, err
}

// tls returns the identity as TLS uses it. It fails if key and certificate do not belong together.
func (id identity) tls() (attach.Identity, error) {
	cert, err := tls.X509KeyPair([]byte(id.Certificate), []byte(id.Key))
	if err != nil {
		return attach.Identity{}, fmt.Errorf("the identity is damaged: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(id.Roots)) {
		return attach.Identity{}, errors.New("the identity is damaged: it holds no CA")
	}
	return attach.Identity{Certificate: cert, Roots: roots}, nil
}

func encode(kind string, blocks ...[]byte) string {
	var out []byte
	for _, der := range blocks {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return string(out)
}

// joiningFile is where the key lies while a machine joins.
func joiningFile(stateDir string) string { return filepath.Join(stateDir, "joining.key") }

// joiningKey returns the key to join with: that of a join that did not end, so that its token can be used again.
func joiningKey(stateDir string) (crypto.Signer, error) {
	path := joiningFile(stateDir)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newJoiningKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key: remove it", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no key that can be used: remove it", path)
	}
	return signer, nil
}

func newJoiningKey(path string) (crypto.Signer, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeWhole(path, []byte(encode("PRIVATE KEY", der)))
}

func newKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// certificateRequest returns the PKCS #10 request for the certificate of a key.
func certificateRequest(name string, key crypto.Signer) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
}

// writeWhole writes a file of mode 0600, in a directory of mode 0700: the whole of it, on disk, or nothing.
func writeWhole(path string, content []byte) (err error) {
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
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
