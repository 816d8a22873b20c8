// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// pathProvider begins the path of a provider's URI.
const pathProvider = "/provider/"

// Authenticate returns the provider that a certificate was made for: CertRefused if it is of another CA, or of a
// provider that is not known here, CertExpired, ProviderRevoked, with the provider, if it was deleted. That the peer holds
// the key is for TLS to prove.
func (a *Authority) Authenticate(ctx context.Context, cert *x509.Certificate) (p core.Provider, err error) {
	err = a.store.View(ctx, func(tx core.Tx) error {
		p, err = a.identify(tx, cert, 0)
		return err
	})
	return p, err
}

// Renewable is Authenticate for certificates that Renew takes.
func (a *Authority) Renewable(ctx context.Context, cert *x509.Certificate) (p core.Provider, err error) {
	err = a.store.View(ctx, func(tx core.Tx) error {
		p, err = a.identify(tx, cert, renewalLife)
		return err
	})
	return p, err
}

// identify is Authenticate; a certificate may have expired no longer ago than grace.
func (a *Authority) identify(tx core.Tx, cert *x509.Certificate, grace time.Duration) (core.Provider, error) {
	id, err := a.ca.Load().providerID(cert)
	if err != nil {
		return core.Provider{}, err
	}
	p, err := tx.Providers().Get(id)
	if fault.ReasonOf(err) == fault.UnknownResource {
		return core.Provider{}, fault.New(fault.CertRefused, "this cloud knows no provider %s: join again with a new token", id)
	}
	if err != nil {
		return p, err
	}
	return p, a.current(p, cert, grace)
}

// current says whether a certificate of the provider is in force.
func (a *Authority) current(p core.Provider, cert *x509.Certificate, grace time.Duration) error {
	now := a.now()
	span := fmt.Sprintf("the certificate is valid from %s to %s, and here it is %s",
		cert.NotBefore.Format(time.RFC3339), cert.NotAfter.Format(time.RFC3339), now.Format(time.RFC3339))
	joined := p.Status.JoinedAt
	switch {
	case p.Status.State == core.ProviderRevoked:
		return fault.New(fault.ProviderRevoked, "provider %s was deleted: join again with a new token", p.Name)
	case joined != nil && cert.NotBefore.Before(joined.Truncate(time.Second)):
		return fault.New(fault.CertRefused, "provider %s was replaced or joined anew at %s, and the certificate is from before: join again with a new token",
			p.Name, joined.Format(time.RFC3339))
	case now.Before(cert.NotBefore):
		return fault.New(fault.CertRefused, "%s", span)
	case now.After(cert.NotAfter.Add(renewalLife)):
		return fault.New(fault.CertExpired, "%s: it expired more than 90 days ago, join again with a new token", span)
	case now.After(cert.NotAfter.Add(grace)):
		return fault.New(fault.CertExpired, "%s: the provider has to renew it first", span)
	}
	return nil
}

// providerID returns whose certificate it is, at whatever time.
func (c *ca) providerID(cert *x509.Certificate) (string, error) {
	err := c.verify(cert, x509.VerifyOptions{
		CurrentTime: cert.NotAfter, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return "", fault.New(fault.CertRefused, "the certificate is not one of this cloud's: %w", err)
	}
	if len(cert.URIs) == 1 && cert.URIs[0].Scheme == "spiffe" && cert.URIs[0].Host == c.cloud {
		if id, ok := strings.CutPrefix(cert.URIs[0].Path, pathProvider); ok && id != "" {
			return id, nil
		}
	}
	return "", fault.New(fault.CertRefused, "the certificate is not a provider's")
}

// provider makes the certificate of a provider.
func (c *ca) provider(p core.Provider, request *x509.CertificateRequest, now time.Time) (*x509.Certificate, error) {
	return c.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: p.Name},
		URIs:        []*url.URL{spiffe(c.cloud, pathProvider+p.ID)},
		NotBefore:   now,
		NotAfter:    c.until(now, providerLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, request.PublicKey)
}
