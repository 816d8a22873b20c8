// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// JoinConn connects to JoinService on the core at address. Nothing is sent before the core has shown the CA that the
// token names, and a certificate of that CA: CertRefused otherwise.
func JoinConn(ctx context.Context, address string, token Token, now func() time.Time) (*grpc.ClientConn, error) {
	return dialCore(ctx, address, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{ProtocolJoin},
		ServerName:         ServerName,
		InsecureSkipVerify: true, // no root is known yet: VerifyConnection verifies against the token's
		VerifyConnection:   func(s tls.ConnectionState) error { return verifyCore(s, token, now()) },
	})
}

// CoreConn connects to CoreService, what an attached provider may ask of the core at address.
func CoreConn(ctx context.Context, address string, identity Identity, now func() time.Time) (*grpc.ClientConn, error) {
	return dialCore(ctx, address, identity.TLS(ProtocolCore, now))
}

// RenewConn connects to JoinService on the core at address with a certificate that may have expired, to renew it.
func RenewConn(ctx context.Context, address string, identity Identity, now func() time.Time) (*grpc.ClientConn, error) {
	return dialCore(ctx, address, identity.TLS(ProtocolJoin, now))
}

// dialCore makes the handshake itself, because grpc-go tells only the text of what one fails for.
func dialCore(ctx context.Context, address string, config *tls.Config) (*grpc.ClientConn, error) {
	conn, err := dialTLS(ctx, address, config)
	if err != nil {
		return nil, err
	}
	return newClient(conn, false)
}

// verifyCore checks that the peer showed the token's CA, and is a core of it, or of an intermediate of it. A machine without
// a clock takes the CA's start for the time: cores' certificates begin no later.
func verifyCore(s tls.ConnectionState, token Token, now time.Time) error {
	for _, ca := range s.PeerCertificates[1:] {
		if Fingerprint(ca) != token.CA {
			continue
		}
		if now.Before(ca.NotBefore) {
			now = ca.NotBefore
		}
		roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(ca)
		for _, shown := range s.PeerCertificates[1:] {
			intermediates.AddCert(shown)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: intermediates, DNSName: ServerName, CurrentTime: now,
		})
		return err
	}
	return fault.New(fault.CertRefused, "the core at this address is not the one that made the token: its CA is another one")
}
