// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"
)

// Identity is what a provider got when it joined.
type Identity struct {
	Certificate tls.Certificate // with its Leaf
	Roots       *x509.CertPool  // the cloud's CA
}

// TLS returns the configuration to reach the core with, for one protocol of the attach port. The certificate is sent
// even if the core does not name its issuer, so that the core can say what is wrong with it.
func (i Identity) TLS(protocol string, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{protocol},
		ServerName: ServerName,
		RootCAs:    i.Roots,
		Time:       now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &i.Certificate, nil
		},
	}
}

// Clock tells the time on machines that have none at boot: never less than what is known to have passed.
type Clock struct {
	now   func() time.Time
	mu    sync.Mutex
	floor time.Time
}

// NewClock returns a clock that goes by now, and never before floor: a certificate's NotBefore.
func NewClock(now func() time.Time, floor time.Time) *Clock { return &Clock{now: now, floor: floor} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.After(c.floor) {
		return now
	}
	return c.floor
}

// Raise makes t, which the core told, the least that Now returns.
func (c *Clock) Raise(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.floor) {
		c.floor = t
	}
}
