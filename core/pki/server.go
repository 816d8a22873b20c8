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
// addresses), with those that vouch for it behind it up to the root, made anew at half of its life and when another key
// signs. Its key is never stored.
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
		current, signer, until = fresh, c.cert, now.Add(fresh.Leaf.NotAfter.Sub(now)/2)
		if left := c.cert.NotAfter.Sub(now); c.offline() && left < serverLife {
			a.log.Warn("the intermediate that signs ends soon: let the root sign another (rhyzome ca request)", "ends", c.cert.NotAfter)
		}
		return current, nil
	}
}

// server makes a server's certificate. It begins with the root, so that a machine without a clock, which takes the start
// of its own certificate for the time, never finds it not yet valid.
func (c *ca) server(names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		NotBefore:   c.root.NotBefore,
		NotAfter:    c.until(now, serverLife),
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
	out := &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	for _, up := range c.certificates() { // the root too: who joins has only its fingerprint
		out.Certificate = append(out.Certificate, up.Raw)
	}
	return out, nil
}
