// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// certificateLife is longer than any run.
const certificateLife = 24 * time.Hour

// authority is the CA of a cloud that lives as long as a run.
type authority struct {
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	server tls.Certificate
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key}
	a.cert, err = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "conformance CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := a.sign(&x509.Certificate{
		DNSNames: []string{attach.ServerName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &serverKey.PublicKey)
	if err != nil {
		return nil, err
	}
	a.server = tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: serverKey, Leaf: leaf}
	return a, nil
}

func (a *authority) sign(template *x509.Certificate, public any) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(certificateLife)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// provider signs what a provider asks for: only the request's key is used.
func (a *authority) provider(request []byte) (*x509.Certificate, error) {
	csr, err := x509.ParseCertificateRequest(request)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, fault.Invalid("/certificate_request", "%v", err)
	}
	return a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: providerName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "conformance", Path: "/provider/" + providerName}},
	}, csr.PublicKey)
}

// tls returns the configuration of the attach port: only who wants to join comes without a certificate.
func (a *authority) tls() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	attached := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{a.server},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
		NextProtos: []string{attach.ProtocolProvider, attach.ProtocolData, attach.ProtocolCore},
	}
	join := attached.Clone()
	join.ClientAuth, join.NextProtos = tls.NoClientCert, []string{attach.ProtocolJoin}
	attached.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, attach.ProtocolJoin) {
			return join, nil
		}
		return nil, nil
	}
	return attached
}
