// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// GetCA tells what is trusted, and how far a rotation is.
func (a *Authority) GetCA(ctx context.Context) (out core.CA, err error) {
	err = a.store.View(ctx, func(tx core.Tx) error {
		out, err = a.describe(tx, a.ca.Load())
		return err
	})
	return out, err
}

func (a *Authority) describe(tx core.Tx, c *ca) (core.CA, error) {
	out := core.CA{Cloud: c.cloud, Phase: c.phase(), Roots: []core.CARoot{}, Providers: []core.CAProvider{}}
	for _, root := range c.trusted() {
		out.Roots = append(out.Roots, show(root))
	}
	if c.offline() {
		intermediate := show(c.cert)
		out.Intermediate = &intermediate
	}
	rows, err := core.All(tx.Providers(), core.Query{}, func(p core.Provider) string { return p.ID })
	if err != nil {
		return out, err
	}
	for _, p := range rows {
		if a.counts(p) {
			out.Providers = append(out.Providers, core.CAProvider{ID: p.ID, Name: p.Name, State: p.Status.State, Ready: c.ready(p)})
		}
	}
	return out, nil
}

func show(cert *x509.Certificate) core.CARoot {
	return core.CARoot{
		Fingerprint: fingerprint(cert), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, Certificate: string(encode(cert)),
	}
}

// counts reports whether a rotation waits for a provider: it has a certificate that is good, or can be renewed.
func (a *Authority) counts(p core.Provider) bool {
	until := p.Status.CertExpires
	return p.Status.State != core.ProviderRevoked && until != nil && a.now().Before(until.Add(renewalLife))
}

// RotateCA takes the next step of a rotation. From steady: a new root is made, and everybody is given it; BadState if the
// root's key is kept elsewhere, since InstallCA begins then. From spreading: the new root signs from now on, or its
// intermediate, and the key of the old one is destroyed. From switched: the old root is trusted no more, the old
// intermediate accepted no more. The two last are refused with BadState, naming who is not ready; with force they are
// taken all the same, and who is not ready needs a new join token.
func (a *Authority) RotateCA(ctx context.Context, force bool) (core.CA, error) {
	a.rotating.Lock()
	defer a.rotating.Unlock()
	c := a.ca.Load()
	now, err := a.GetCA(ctx)
	if err != nil {
		return now, err
	}
	if behind := notReady(now); len(behind) > 0 && !force && now.Phase != core.CASteady {
		return now, fault.New(fault.BadState, "%s is not ready: wait until it is attached, or force the step; then it needs a new join token",
			strings.Join(behind, ", ")).With("providers", strings.Join(behind, ","))
	}
	if now.Phase == core.CASteady && c.offline() {
		return now, fault.New(fault.BadState,
			"the root's key is not here: rhyzome ca request, then rhyzome ca sign where the root is, then rhyzome ca install begin a rotation")
	}
	var next *ca
	switch now.Phase {
	case core.CASteady:
		next, err = c.begin(a.dir, a.now())
	case core.CASpreading:
		next, err = c.change(a.dir)
	case core.CASwitched:
		next, err = c.retire(a.dir)
	}
	if err != nil {
		return now, notWritten(err)
	}
	return a.adopt(ctx, next, force)
}

func notWritten(err error) error {
	return &fault.Error{Code: fault.Internal, Reason: fault.Bug, Message: "the CA's files could not be changed", Err: err}
}

// adopt makes a CA that is on disk the one in use, and asks everybody who is attached to take it.
func (a *Authority) adopt(ctx context.Context, c *ca, forced bool) (out core.CA, err error) {
	a.ca.Store(c)
	a.log.Warn("CA rotation", "phase", c.phase(), "signs", fingerprint(c.cert), "root", fingerprint(c.root), "forced", forced)
	err = a.store.Update(ctx, func(tx core.Tx) error {
		if out, err = a.describe(tx, c); err != nil {
			return err
		}
		return tx.Emit(core.Event{
			At: a.now(), Type: "ca." + string(out.Phase), Resource: core.ResourceRef{Kind: "ca", ID: out.Roots[0].Fingerprint, Name: "ca"},
		})
	})
	a.mu.Lock()
	renewAll := a.renewAll
	a.mu.Unlock()
	renewAll()
	return out, err
}

func notReady(c core.CA) (names []string) {
	for _, p := range c.Providers {
		if !p.Ready {
			names = append(names, p.Name)
		}
	}
	return names
}

// OnRotate names the function that asks every attached provider to renew its certificate.
func (a *Authority) OnRotate(renewAll func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.renewAll = renewAll
}

// Stale reports whether a provider should renew its certificate now: another key signs, or other roots are trusted.
func (a *Authority) Stale(p core.Provider) bool {
	c := a.ca.Load()
	last := p.Status.Certificate
	return last == nil || !last.InUse || last.Issuer != fingerprint(c.cert) || !slices.Equal(last.Roots, c.fingerprints())
}

// Shown takes note that a provider uses a certificate: so it has stored the roots that came with it.
func (a *Authority) Shown(ctx context.Context, p core.Provider, cert *x509.Certificate) error {
	if last := p.Status.Certificate; last == nil || last.InUse || last.Serial != serial(cert) {
		return nil
	}
	return a.store.Update(ctx, func(tx core.Tx) error {
		p, err := tx.Providers().Get(p.ID)
		if err != nil || p.Status.Certificate == nil || p.Status.Certificate.Serial != serial(cert) {
			return err
		}
		p.Status.Certificate.InUse = true
		return tx.Providers().Update(p)
	})
}

func serial(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }

// phase tells what a CA's certificates mean.
func (c *ca) phase() core.CAPhase {
	switch {
	case c.next != nil:
		return core.CASpreading
	case c.previous != nil:
		return core.CASwitched
	}
	return core.CASteady
}

// ready reports whether the step after this phase loses the provider nothing.
func (c *ca) ready(p core.Provider) bool {
	last := p.Status.Certificate
	switch {
	case last == nil || !last.InUse:
		return false
	case c.next != nil:
		return slices.Contains(last.Roots, fingerprint(c.next.root))
	}
	return last.Issuer == fingerprint(c.cert)
}
