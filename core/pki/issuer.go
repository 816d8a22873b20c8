// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"slices"
	"time"
)

// issuer is a certificate that signs others, and the root that vouches for it: itself, or one whose key is kept elsewhere.
type issuer struct {
	cert *x509.Certificate
	root *x509.Certificate
}

// offline reports whether the root's key is kept elsewhere.
func (i *issuer) offline() bool { return !i.cert.Equal(i.root) }

// certificates returns what signs, and behind it the root if that is another.
func (i *issuer) certificates() []*x509.Certificate {
	if i.offline() {
		return []*x509.Certificate{i.cert, i.root}
	}
	return []*x509.Certificate{i.cert}
}

// chain returns, in DER, what a leaf is shown with to those who trust the root.
func (i *issuer) chain(leaf *x509.Certificate) [][]byte {
	if i.offline() {
		return [][]byte{leaf.Raw, i.cert.Raw}
	}
	return [][]byte{leaf.Raw}
}

// until returns the end of what is to live for so long, or that of what signs it if that is earlier.
func (i *issuer) until(now time.Time, life time.Duration) time.Time {
	if end := now.Add(life); end.Before(i.cert.NotAfter) {
		return end
	}
	return i.cert.NotAfter
}

// equal reports whether both are the same certificates.
func (i *issuer) equal(other *issuer) bool {
	return i.cert.Equal(other.cert) && i.root.Equal(other.root)
}

// issuers returns whose certificates are accepted; the one that signs is the first.
func (c *ca) issuers() []*issuer {
	return slices.DeleteFunc([]*issuer{c.issuer, c.next, c.previous}, func(i *issuer) bool { return i == nil })
}

// trusted returns the roots, each once; that of what signs is the first.
func (c *ca) trusted() (all []*x509.Certificate) {
	for _, i := range c.issuers() {
		if !slices.ContainsFunc(all, i.root.Equal) {
			all = append(all, i.root)
		}
	}
	return all
}

// verify checks that a leaf is of this CA, whatever it was shown with: an intermediate that was retired counts no more.
func (c *ca) verify(leaf *x509.Certificate, o x509.VerifyOptions) error {
	o.Roots, o.Intermediates = x509.NewCertPool(), x509.NewCertPool()
	for _, i := range c.issuers() {
		o.Roots.AddCert(i.root)
		o.Intermediates.AddCert(i.cert)
	}
	_, err := leaf.Verify(o)
	return err
}
