// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"crypto/x509"
	"errors"
	"net"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// opAlert marks an alert of the peer (RFC 8446, 6.2) in crypto/tls's errors.
const opAlert = "remote error"

// explain makes a fault of what an attempt to attach failed for: a refusal as the core said it, what TLS refused with
// the way out, and CoreAway for the rest.
func explain(err error) *fault.Error {
	var (
		refused *fault.Error
		alert   *net.OpError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.As(err, &unknown):
		return fault.New(fault.CertRefused,
			"the core's certificate is of another cloud than the one that this provider joined: %w", err)
	case errors.As(err, &host):
		return fault.New(fault.CertRefused, "what answers is not a core: %w", err)
	case errors.As(err, &invalid):
		return fault.New(fault.CertRefused, "the core's certificate is not valid now; check both clocks: %w", err)
	case errors.As(err, &alert) && alert.Op == opAlert:
		return fault.New(fault.CertRefused, "the core refused the TLS handshake: %w", alert.Err)
	}
	return fault.New(fault.CoreAway, "the core does not answer: %w", err)
}
