// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"path/filepath"
	"time"
)

// ca is the key that signs every certificate of a cloud. It never changes: a rotation puts another one in its place.
type ca struct {
	cloud string
	cert  *x509.Certificate
	key   crypto.Signer

	next     *x509.Certificate // trusted, and will sign; nil unless it is spread
	nextKey  crypto.Signer
	previous *x509.Certificate // trusted, and signed before; nil unless it is being retired
}

// openCA reads the CA of a cloud from dir. Where there is no key it makes one; where there is a key alone, left by a
// crash between the two files, it makes the certificate.
func openCA(dir, cloud string, now time.Time) (*ca, error) {
	if err := mend(dir); err != nil {
		return nil, err
	}
	keyFile, certFile := filepath.Join(dir, fileKey), filepath.Join(dir, fileCert)
	cert, err := readCertificate(certFile)
	if err != nil {
		return nil, err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	if cert != nil && key == nil {
		return nil, fmt.Errorf("%s exists without %s: restore the key from the backup", certFile, keyFile)
	}
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
		if err := writeKey(keyFile, key); err != nil {
			return nil, err
		}
	}
	if cert == nil {
		if cert, err = selfSign(cloud, key, now); err != nil {
			return nil, err
		}
		if err := writeCertificate(certFile, cert); err != nil {
			return nil, err
		}
	}
	c := &ca{cloud: cloud, cert: cert, key: key}
	if c.nextKey, err = readKey(filepath.Join(dir, fileNextKey)); err != nil {
		return nil, err
	}
	if c.next, err = readCertificate(filepath.Join(dir, fileNextCert)); err != nil {
		return nil, err
	}
	if c.next != nil && (c.nextKey == nil || !belong(c.next, c.nextKey)) {
		return nil, fmt.Errorf("%s does not belong to the key beside it", filepath.Join(dir, fileNextCert))
	}
	if c.previous, err = readCertificate(filepath.Join(dir, filePrevious)); err != nil {
		return nil, err
	}
	return c, c.check(certFile)
}

// check refuses a certificate that is of another key or another cloud.
func (c *ca) check(file string) error {
	if !belong(c.cert, c.key) {
		return fmt.Errorf("%s does not belong to the key beside it", file)
	}
	if len(c.cert.URIs) != 1 || *c.cert.URIs[0] != *spiffe(c.cloud, "") {
		return fmt.Errorf("%s is of the cloud %v, the database of spiffe://%s: one of the two was restored from elsewhere",
			file, c.cert.URIs, c.cloud)
	}
	return nil
}

func selfSign(cloud string, key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Rhyzome CA " + cloud},
		URIs:                  []*url.URL{spiffe(cloud, "")},
		NotBefore:             now,
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	return sign(template, template, key.Public(), key)
}

// sign completes a certificate with this CA.
func (c *ca) sign(template *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	return sign(template, c.cert, public, c.key)
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// pool returns the roots that are trusted.
func (c *ca) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, root := range c.trusted() {
		pool.AddCert(root)
	}
	return pool
}

// spiffe returns the URI of something in a cloud.
func spiffe(cloud, path string) *url.URL { return &url.URL{Scheme: "spiffe", Host: cloud, Path: path} }
