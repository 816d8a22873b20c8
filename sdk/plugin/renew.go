// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const (
	// lookEvery is how often the certificate's age is looked at; it is short because clocks jump.
	lookEvery = time.Second
	// renewAgain is how long the next attempt waits, unless all that is missing is a core.
	renewAgain = time.Minute
	// renewWithin is how long a core may take to renew a certificate.
	renewWithin = 30 * time.Second
)

// member is this machine's identity, while it lives.
type member struct {
	pb.UnimplementedCertificateServiceServer
	stateDir string
	machine  string // id
	clock    *attach.Clock
	log      *slog.Logger

	renewing sync.Mutex // held by renew

	mu  sync.Mutex
	id  identity
	tls attach.Identity
}

// newMember returns the identity in use. The machine's clock is not believed before the certificate's beginning.
func newMember(id identity, stateDir string, now func() time.Time) (*member, error) {
	t, err := id.tls()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", identityFile(stateDir), err)
	}
	return &member{
		stateDir: stateDir, clock: attach.NewClock(now, t.Certificate.Leaf.NotBefore), log: slog.Default(), id: id, tls: t,
	}, nil
}

// current returns the identity to make connections with.
func (m *member) current() attach.Identity {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tls
}

// keepRenewed renews the certificate at half of its life, and when it expired because this machine or the core was away
// for long, until ctx ends.
func (m *member) keepRenewed(ctx context.Context) {
	var pause attach.Backoff
	var told time.Time
	for ctx.Err() == nil {
		if !m.due() {
			pause = attach.Backoff{}
			wait(ctx, lookEvery)
			continue
		}
		err := m.renew(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		if time.Since(told) >= renewAgain {
			m.log.Warn("the certificate could not be renewed; trying again",
				"expires", m.current().Certificate.Leaf.NotAfter, "reason", fault.ReasonOf(err), "error", err)
			told = time.Now()
		}
		if m.expired() && fault.ReasonOf(err) == fault.CoreAway {
			pause.Wait(ctx)
			continue
		}
		wait(ctx, renewAgain)
	}
}

// wait waits for d, or the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// due reports whether half of the certificate's life is over.
func (m *member) due() bool {
	leaf := m.current().Certificate.Leaf
	half := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)
	return !m.clock.Now().Before(half)
}

// expired reports whether the certificate is too old to attach with.
func (m *member) expired() bool {
	return m.clock.Now().After(m.current().Certificate.Leaf.NotAfter)
}

// renewed is what both kinds of renewal answer.
type renewed interface {
	GetCertificateChain() [][]byte
	GetRoots() [][]byte
}

// renew gets a certificate for a new key. The old one stays in use until the new one is on disk.
func (m *member) renew(ctx context.Context) error {
	m.renewing.Lock()
	defer m.renewing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, renewWithin)
	defer cancel()
	key, err := newKey()
	if err != nil {
		return err
	}
	request, err := certificateRequest(m.id.ProviderName, key)
	if err != nil {
		return err
	}
	ask := m.askRenew
	if m.expired() {
		ask = m.askRenewExpired
	}
	answer, err := atAny(m.id.Core, func(core string) (renewed, error) { return ask(ctx, core, request) })
	if err != nil {
		return err
	}
	id, err := m.id.certified(key, answer.GetCertificateChain(), answer.GetRoots())
	if err != nil {
		return err
	}
	t, err := id.tls()
	if err != nil {
		return err
	}
	if err := id.write(m.stateDir); err != nil {
		return err
	}
	m.mu.Lock()
	m.id, m.tls = id, t
	m.mu.Unlock()
	m.log.Info("certificate renewed", "expires", t.Certificate.Leaf.NotAfter)
	m.show(ctx)
	return nil
}

// show connects with the new certificate once, so that the core knows that it was stored. The next connection does that
// too, so a failure is of no consequence.
func (m *member) show(ctx context.Context) {
	_, err := atAny(m.id.Core, func(core string) (struct{}, error) {
		conn, err := attach.CoreConn(ctx, core, m.current(), m.clock.Now)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, conn.Close()
	})
	if err != nil {
		m.log.Debug("the new certificate was not shown yet", "error", err)
	}
}

// RenewCertificate implements CertificateService: the core asks when its CA is rotated.
func (m *member) RenewCertificate(ctx context.Context, _ *pb.RenewCertificateRequest) (*pb.RenewCertificateResponse, error) {
	if err := m.renew(ctx); err != nil {
		m.log.Warn("the certificate could not be renewed", "error", err)
		return nil, wire.ToStatus(err)
	}
	return &pb.RenewCertificateResponse{}, nil
}

// askRenew is the way while the certificate is good.
func (m *member) askRenew(ctx context.Context, core string, request []byte) (renewed, error) {
	conn, err := attach.CoreConn(ctx, core, m.current(), m.clock.Now)
	if err != nil {
		return nil, err
	}
	answer, err := pb.NewCoreServiceClient(conn).Renew(ctx, &pb.RenewRequest{CertificateRequest: request})
	return answer, errors.Join(asked(err), conn.Close())
}

// askRenewExpired is the way when it expired; the core lets it go for 90 days.
func (m *member) askRenewExpired(ctx context.Context, core string, request []byte) (renewed, error) {
	conn, err := attach.RenewConn(ctx, core, m.current(), m.clock.Now)
	if err != nil {
		return nil, err
	}
	answer, err := pb.NewJoinServiceClient(conn).RenewExpired(ctx, &pb.RenewExpiredRequest{
		CertificateRequest: request, MachineId: m.machine,
	})
	return answer, errors.Join(asked(err), conn.Close())
}
