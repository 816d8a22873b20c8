// SPDX-License-Identifier: Apache-2.0

package resttest

import (
	"context"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// authority is the CA of a cloud whose providers take a new root while the operator looks at them.
type authority struct{ *Cloud }

func (c authority) GetCA(context.Context) (core.CA, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ca(), nil
}

// ca tells who is ready: everybody but those that are joining.
func (c authority) ca() core.CA {
	root := func(name string) core.CARoot {
		return core.CARoot{
			Fingerprint: "SHA256:" + name, Certificate: "-----BEGIN CERTIFICATE-----\n" + name + "\n-----END CERTIFICATE-----\n",
			NotBefore: c.now(), NotAfter: c.now().Add(20 * 365 * 24 * time.Hour),
		}
	}
	out := core.CA{Cloud: "cloud", Phase: c.phase, Roots: []core.CARoot{root("old")}, Providers: []core.CAProvider{}}
	switch c.phase {
	case "":
		out.Phase = core.CASteady
	case core.CASpreading:
		out.Roots = append(out.Roots, root("new"))
	case core.CASwitched:
		out.Roots = []core.CARoot{root("new"), root("old")}
	}
	for _, p := range c.providers.rows {
		ready := p.Status.State != core.ProviderJoining
		out.Providers = append(out.Providers, core.CAProvider{ID: p.ID, Name: p.Name, State: p.Status.State, Ready: ready})
	}
	return out
}

func (c authority) RotateCA(_ context.Context, force bool) (core.CA, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.ca().Providers {
		if !p.Ready && !force && c.ca().Phase != core.CASteady {
			return core.CA{}, fault.New(fault.BadState, "%s is not ready", p.Name)
		}
	}
	c.phase = map[core.CAPhase]core.CAPhase{
		core.CASteady: core.CASpreading, core.CASpreading: core.CASwitched, core.CASwitched: core.CASteady,
	}[c.ca().Phase]
	return c.ca(), nil
}

func (c authority) RequestCA(context.Context) (core.CARequest, error) {
	return core.CARequest{
		Cloud: "cloud", KeyFingerprint: "SHA256:key",
		CertificateRequest: "-----BEGIN CERTIFICATE REQUEST-----\nrequest\n-----END CERTIFICATE REQUEST-----\n",
	}, nil
}

// InstallCA takes anything for an intermediate of a new root.
func (c authority) InstallCA(_ context.Context, certificates string) (core.CA, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ca().Phase != core.CASteady {
		return core.CA{}, fault.New(fault.BadState, "a rotation is under way")
	}
	if !strings.Contains(certificates, "BEGIN CERTIFICATE-----") {
		return core.CA{}, fault.Invalid("/certificates", "it holds no certificates")
	}
	c.phase = core.CASpreading
	return c.ca(), nil
}
