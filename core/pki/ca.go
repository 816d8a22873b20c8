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
	*issuer
	key crypto.Signer

	next     *issuer // its root is trusted, and it will sign; nil unless it is spread
	nextKey  crypto.Signer
	previous *issuer // its root is trusted, and it signed before; nil unless it is being retired
}

// openCA reads the CA of a cloud from dir. Where there is no key it makes one; where there is a key alone, left by a
// crash between the two files, it makes the certificate.
func openCA(dir, cloud string, now time.Time) (*ca, error) {
	if err := mend(dir); err != nil {
		return nil, err
	}
	keyFile, certFile := filepath.Join(dir, fileKey), filepath.Join(dir, fileCert)
	signs, err := readIssuer(certFile)
	if err != nil {
		return nil, err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	if signs != nil && key == nil {
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
	if signs == nil {
		if signs, err = selfSign(cloud, key, now); err != nil {
			return nil, err
		}
		if err := writeIssuer(certFile, signs); err != nil {
			return nil, err
		}
	}
	c := &ca{cloud: cloud, issuer: signs, key: key}
	if c.nextKey, err = readKey(filepath.Join(dir, fileNextKey)); err != nil {
		return nil, err
	}
	if c.next, err = readIssuer(filepath.Join(dir, fileNextCert)); err != nil {
		return nil, err
	}
	if c.next != nil && (c.nextKey == nil || !belong(c.next.cert, c.nextKey)) {
		return nil, fmt.Errorf("%s does not belong to the key beside it", filepath.Join(dir, fileNextCert))
	}
	if c.previous, err = readIssuer(filepath.Join(dir, filePrevious)); err != nil {
		return nil, err
	}
	return c, c.check(certFile)
}

// check refuses a certificate that is of another key or another cloud.
func (c *ca) check(file string) error {
	if !belong(c.cert, c.key) {
		return fmt.Errorf("%s does not belong to the key beside it", file)
	}
	if !ofCloud(c.cert, c.cloud) {
		return fmt.Errorf("%s is of the cloud %v, the database of spiffe://%s: one of the two was restored from elsewhere",
			file, c.cert.URIs, c.cloud)
	}
	return nil
}

// selfSign makes an issuer that is its own root.
func selfSign(cloud string, key crypto.Signer, now time.Time) (*issuer, error) {
	template := rootTemplate(cloud, now)
	template.MaxPathLenZero = true
	cert, err := sign(template, template, key.Public(), key)
	return &issuer{cert: cert, root: cert}, err
}

func rootTemplate(cloud string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Rhyzome CA " + cloud},
		URIs:                  []*url.URL{spiffe(cloud, "")},
		NotBefore:             now,
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
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

// spiffe returns the URI of something in a cloud.
func spiffe(cloud, path string) *url.URL { return &url.URL{Scheme: "spiffe", Host: cloud, Path: path} }

// ofCloud reports whether a CA's certificate was made for a cloud.
func ofCloud(cert *x509.Certificate, cloud string) bool {
	return len(cert.URIs) == 1 && *cert.URIs[0] == *spiffe(cloud, "")
}
