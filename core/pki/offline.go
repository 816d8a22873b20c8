// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
)

// The files of a root whose key is kept away from the core.
const (
	fileRootKey  = "root.key"
	fileRootCert = "root.crt"
)

// clocksDiffer is how far the clock of the root's machine may be ahead of the core's.
const clocksDiffer = time.Hour

// MakeRoot makes the root of a cloud in dir, on a machine that need not be the core's: root.key, which is to stay there,
// and root.crt. It returns how people recognise the root.
func MakeRoot(dir, cloud string, now time.Time) (root string, err error) {
	if !core.LooksLikeID(cloud) {
		return "", fmt.Errorf("%q is not the id of a cloud: rhyzome ca get shows it", cloud)
	}
	for _, file := range []string{fileRootKey, fileRootCert} {
		if _, err := os.Stat(filepath.Join(dir, file)); !errors.Is(err, fs.ErrNotExist) {
			return "", errors.Join(fmt.Errorf("%s is there already: a root is made once; name another directory", filepath.Join(dir, file)), err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := rootTemplate(cloud, now.Add(-clocksDiffer))
	template.Subject.CommonName = "Rhyzome root CA " + cloud
	template.MaxPathLen = 1
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return "", err
	}
	if err := writeKey(filepath.Join(dir, fileRootKey), key); err != nil {
		return "", err
	}
	return fingerprint(cert), writeIssuer(filepath.Join(dir, fileRootCert), &issuer{cert: cert, root: cert})
}

// Signed is an intermediate that a root signed.
type Signed struct {
	Certificates   []byte // PEM: the intermediate, and the root behind it
	KeyFingerprint string // as the core shows it with the request
	NotAfter       time.Time
}

// SignRequest signs what RequestCA returned, in PEM, with the root in dir: for as long as life, but no longer than the
// root lives. The intermediate may name no other cloud, and make no other CA. It begins when the root does, so that a
// machine without a clock, which takes the beginning of its own certificate for the time, never finds it not yet valid.
func SignRequest(dir string, request []byte, life time.Duration, now time.Time) (Signed, error) {
	root, err := readIssuer(filepath.Join(dir, fileRootCert))
	if err != nil {
		return Signed{}, err
	}
	key, err := readKey(filepath.Join(dir, fileRootKey))
	if err != nil {
		return Signed{}, err
	}
	if root == nil || key == nil || !belong(root.cert, key) || len(root.cert.URIs) != 1 {
		return Signed{}, fmt.Errorf("there is no root in %s: make one with rhyzome ca root", dir)
	}
	block, _ := pem.Decode(request)
	if block == nil || block.Type != blockRequest {
		return Signed{}, fmt.Errorf("this is no certificate request: give what rhyzome ca request printed")
	}
	csr, err := parseRequest(block.Bytes)
	if err != nil {
		return Signed{}, fmt.Errorf("the certificate request: %w", err)
	}
	cloud := root.cert.URIs[0].Host
	if len(csr.URIs) != 1 || *csr.URIs[0] != *spiffe(cloud, "") {
		return Signed{}, fmt.Errorf("the request is of the cloud %v, the root of %v: each cloud has a root of its own", csr.URIs, root.cert.URIs)
	}
	cert, err := sign(&x509.Certificate{
		Subject:                     pkix.Name{CommonName: intermediateName(cloud)},
		URIs:                        root.cert.URIs,
		NotBefore:                   root.cert.NotBefore,
		NotAfter:                    root.until(now, life),
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, // of all constraints, whatever its name says
		PermittedURIDomains:         []string{cloud},
	}, root.cert, csr.PublicKey, key)
	if err != nil {
		return Signed{}, err
	}
	shown, err := attach.KeyFingerprint(csr.PublicKey)
	return Signed{Certificates: encode(cert, root.cert), KeyFingerprint: shown, NotAfter: cert.NotAfter}, err
}
