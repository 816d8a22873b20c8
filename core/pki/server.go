// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"sync"
	"time"
)

// ServerCertificate returns what tls.Config.GetCertificate wants: a certificate of the CA for the names (DNS names and
// addresses), with the CA's own behind it, made anew at half of its life and when another root signs. Its key is never
// stored.
func (a *Authority) ServerCertificate(names ...string) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	var (
		mu      sync.Mutex
		current *tls.Certificate
		signer  *x509.Certificate
		until   time.Time
	)
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		now, c := a.now(), a.ca.Load()
		if current != nil && now.Before(until) && signer == c.cert {
			return current, nil
		}
		fresh, err := c.server(names, now)
		if err != nil {
			return nil, err
		}
		current, signer, until = fresh, c.cert, now.Add(serverLife/2)
		return current, nil
	}
}

// server makes a server's certificate. It begins with the CA, so that a machine without a clock, which takes the start
// of its own certificate for the time, never finds it not yet valid.
func (c *ca) server(names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		NotBefore:   c.cert.NotBefore,
		NotAfter:    now.Add(serverLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, name)
	}
	cert, err := c.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw, c.cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}
