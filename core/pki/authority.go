// SPDX-License-Identifier: Apache-2.0

// Package pki decides who may attach: it is a small certificate authority, and the join tokens that lead to it.
//
// A join token admits one provider, once. The key is made where it lives; the certificate names the provider by the URI
// spiffe://CLOUD/provider/ID, lives seven days, and is renewed over the live connection; for 90 days after its end it
// still opens the door to its own renewal. Revoking a provider refuses its certificates from then on, and so does
// joining anew those from before.
package pki

import (
	"context"
	"crypto/x509"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rhyzome/rhyzome/core"
)

// Lifetimes.
const (
	caLife       = 20 * 365 * 24 * time.Hour
	serverLife   = 90 * 24 * time.Hour
	providerLife = 7 * 24 * time.Hour
	renewalLife  = 90 * 24 * time.Hour // for which a certificate that expired still renews itself
	tokenLife    = time.Hour
)

// settingCloudID is where the store keeps the cloud's id.
const settingCloudID = "cloud_id"

// Options of an Authority.
type Options struct {
	Dir     string // for ca.key and ca.crt; made if it does not exist
	Store   core.Store
	Address string // HOST:PORT of the attach port, as providers reach it; for the join command
	Now     core.Clock
	NewID   core.NewID
	Log     *slog.Logger
}

// Authority signs certificates and knows who has one.
type Authority struct {
	store   core.Store
	address string
	now     core.Clock
	newID   core.NewID
	log     *slog.Logger
	dir     string
	ca      atomic.Pointer[ca]

	rotating sync.Mutex // held while the CA's files change

	mu              sync.Mutex
	closeConnection func(providerID, why string)
	renewAll        func()
}

// Open reads the CA from o.Dir, or makes one at the first start. It fails if the CA is not that of the store's cloud. Where
// an intermediate has ended nobody can ask for another, so Open writes the request, and takes the answer, as files there.
func Open(ctx context.Context, o Options) (*Authority, error) {
	cloud, err := cloudID(ctx, o.Store, o.NewID)
	if err != nil {
		return nil, err
	}
	authority, err := openCA(o.Dir, cloud, o.Now())
	if err != nil {
		return nil, err
	}
	a := &Authority{
		store: o.Store, address: o.Address, now: o.Now, newID: o.NewID, log: o.Log, dir: o.Dir,
		closeConnection: func(string, string) {}, renewAll: func() {},
	}
	a.ca.Store(authority)
	return a, a.mendEnded(ctx)
}

// cloudID returns the cloud's id, and makes it at the first start.
func cloudID(ctx context.Context, store core.Store, newID core.NewID) (id string, err error) {
	err = store.Update(ctx, func(tx core.Tx) error {
		if id, err = tx.Setting(settingCloudID); err != nil || id != "" {
			return err
		}
		id = newID()
		return tx.SetSetting(settingCloudID, id)
	})
	return id, err
}

// Root returns the certificate to trust: it signs, or vouches for the intermediate that does.
func (a *Authority) Root() *x509.Certificate { return a.ca.Load().root }

// OnDisconnect names the function that closes the connection of a provider that may not have it any more, and is told
// why.
func (a *Authority) OnDisconnect(closeConnection func(providerID, why string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closeConnection = closeConnection
}

func (a *Authority) disconnect(providerID, why string) {
	a.mu.Lock()
	closeConnection := a.closeConnection
	a.mu.Unlock()
	closeConnection(providerID, why)
}
