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

// The files of a CA. What signs is ca.key and ca.crt; the others are there while it is rotated. A certificate has its root
// behind it in the same file if the root's key is kept elsewhere. Each step is the rename of a file, so that a crash
// leaves the state before or after, or one that mend completes.
const (
	fileKey        = "ca.key"
	fileCert       = "ca.crt"
	fileNextKey    = "next.key"
	fileNextCert   = "next.crt"
	filePrevious   = "previous.crt"
	fileRequestKey = "request.key" // of an intermediate that the root has not signed yet
)

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
	root, err := selfSign(c.cloud, key, now)
	if err != nil {
		return nil, err
	}
	return c.spread(dir, root, key)
}

// spread makes an issuer the next one.
func (c *ca) spread(dir string, next *issuer, key crypto.Signer) (*ca, error) {
	if err := writeKey(filepath.Join(dir, fileNextKey), key); err != nil {
		return nil, err
	}
	if err := writeIssuer(filepath.Join(dir, fileNextCert), next); err != nil {
		return nil, err
	}
	return &ca{cloud: c.cloud, issuer: c.issuer, key: c.key, next: next, nextKey: key}, nil
}

// change lets the next issuer sign. The key of the old one is gone with it.
func (c *ca) change(dir string) (*ca, error) {
	if err := writeIssuer(filepath.Join(dir, filePrevious), c.issuer); err != nil {
		return nil, err
	}
	if err := rename(dir, fileNextKey, fileKey); err != nil {
		return nil, err
	}
	if err := rename(dir, fileNextCert, fileCert); err != nil {
		return nil, err
	}
	return &ca{cloud: c.cloud, issuer: c.next, key: c.nextKey, previous: c.issuer}, nil
}

// retire accepts the previous issuer no more.
func (c *ca) retire(dir string) (*ca, error) {
	if err := remove(dir, filePrevious); err != nil {
		return nil, err
	}
	return &ca{cloud: c.cloud, issuer: c.issuer, key: c.key}, nil
}

// mend completes, or takes back, a step that a crash interrupted.
func mend(dir string) error {
	key, err := readKey(filepath.Join(dir, fileKey))
	if err != nil {
		return err
	}
	cert, err := readIssuer(filepath.Join(dir, fileCert))
	if err != nil {
		return err
	}
	nextKey, err := readKey(filepath.Join(dir, fileNextKey))
	if err != nil {
		return err
	}
	next, err := readIssuer(filepath.Join(dir, fileNextCert))
	if err != nil {
		return err
	}
	previous, err := readIssuer(filepath.Join(dir, filePrevious))
	if err != nil {
		return err
	}
	waiting, err := readKey(filepath.Join(dir, fileRequestKey))
	if err != nil {
		return err
	}
	for _, i := range []*issuer{cert, next} {
		if i != nil && waiting != nil && belong(i.cert, waiting) { // install, before it forgets the request
			if err := remove(dir, fileRequestKey); err != nil {
				return err
			}
		}
	}
	switch {
	case next != nil && key != nil && belong(next.cert, key): // change, between its renames
		return rename(dir, fileNextCert, fileCert)
	case previous != nil && cert != nil && previous.equal(cert): // change, before them
		return remove(dir, filePrevious)
	case next == nil && nextKey != nil: // spread, between its files
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
