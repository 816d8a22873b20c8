// SPDX-License-Identifier: Apache-2.0

package resttest

import (
	"context"
	"fmt"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

type places struct{ *Cloud }

func (c places) ListHosts(_ context.Context, page core.Page) ([]core.Host, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts.page("", page)
}

func (c places) GetHost(_ context.Context, host string) (core.Host, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, err := c.hosts.find("", host)
	if err != nil {
		return core.Host{}, err
	}
	return *h, nil
}

func (c places) CordonHost(_ context.Context, host string, cordoned bool) (core.Host, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, err := c.hosts.find("", host)
	if err != nil {
		return core.Host{}, err
	}
	h.Cordoned = cordoned
	return *h, nil
}

func (c places) ListRouters(_ context.Context, page core.Page) ([]core.Router, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.routers.page("", page)
}

func (c places) GetRouter(_ context.Context, router string) (core.Router, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, err := c.routers.find("", router)
	if err != nil {
		return core.Router{}, err
	}
	return *r, nil
}

func (c places) CreateFabric(_ context.Context, req core.New, spec core.FabricSpec) (core.Fabric, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := checked(req); err != nil {
		return core.Fabric{}, err
	}
	if err := c.fabrics.free("", req.Name); err != nil {
		return core.Fabric{}, err
	}
	f := core.Fabric{Meta: c.meta(req), Spec: spec}
	c.fabrics.add("", f)
	return f, nil
}

func (c places) ListFabrics(_ context.Context, page core.Page) ([]core.Fabric, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fabrics.page("", page)
}

func (c places) GetFabric(_ context.Context, fabric string) (core.Fabric, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.fabrics.find("", fabric)
	if err != nil {
		return core.Fabric{}, err
	}
	return *f, nil
}

func (c places) DeleteFabric(_ context.Context, fabric string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.fabrics.find("", fabric)
	if err != nil {
		return err
	}
	c.fabrics.remove(f.ID)
	return nil
}

type providers struct{ *Cloud }

// CreateToken makes a provider that somebody has come for already: waiting, if that needs approval, and contested.
func (c providers) CreateToken(_ context.Context, req core.NewToken) (core.Provider, core.FreshToken, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.providers.free("", req.Name); err != nil {
		return core.Provider{}, core.FreshToken{}, err
	}
	for i, s := range req.Services {
		if s != "compute" && s != "network" {
			return core.Provider{}, core.FreshToken{}, fault.Invalid(fmt.Sprintf("/services/%d", i), "use one of compute, network")
		}
	}
	p := core.Provider{Meta: c.meta(core.New{Name: req.Name}), Status: core.ProviderStatus{
		State: core.ProviderJoining, AdmittedServices: req.Services,
	}}
	if req.RequireApproval {
		p.Status.Approval = &core.Approval{
			KeyFingerprint: keyOf(req.Name), MachineID: "m1", Plugin: "memory", Address: "192.0.2.9:40000", AskedAt: c.now(),
		}
		p.Status.Contested = &core.Contest{
			At: c.now(), MachineID: "m2", Address: "192.0.2.10:40000", Cloned: true, Message: "a second machine has the provider's certificate",
		}
	}
	c.providers.add("", p)
	token := "rhyzome-join-1.ca." + req.Name
	return p, core.FreshToken{
		Token: token, Command: fmt.Sprintf("printf %%s '%s' | PLUGIN join --core core.example:7443 --token-file -", token),
		ExpiresAt: p.CreatedAt.Add(3600e9),
	}, nil
}

func (c providers) DialProvider(_ context.Context, provider, address string) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.providers.find("", provider)
	if err != nil {
		return core.Provider{}, err
	}
	if address == "nowhere" {
		return core.Provider{}, fault.Invalid("/address", "%q is not HOST:PORT", address)
	}
	p.DialAddress = address
	return *p, nil
}

func keyOf(name string) string { return "SHA256:key-of-" + name }

func (c providers) ApproveProvider(_ context.Context, provider, fingerprint string) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.providers.find("", provider)
	if err != nil {
		return core.Provider{}, err
	}
	if p.Status.Approval == nil && p.Status.Contested == nil {
		return core.Provider{}, fault.New(fault.BadState, "no machine waits to become provider %s", p.Name)
	}
	if key := keyOf(p.Name); fingerprint != "" && fingerprint != key {
		return core.Provider{}, fault.Invalid("/key_fingerprint", "the key is %s", key)
	}
	p.Status.Approval, p.Status.Contested = nil, nil
	return *p, nil
}

func (c providers) ReplaceProvider(_ context.Context, provider, machine string) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.providers.find("", provider)
	if err != nil {
		return core.Provider{}, err
	}
	if p.Status.Contested == nil {
		return core.Provider{}, fault.New(fault.BadState, "no other machine has shown the certificate of %s", p.Name)
	}
	if id := p.Status.Contested.MachineID; machine != "" && machine != id {
		return core.Provider{}, fault.Invalid("/machine_id", "the machine that was refused last is %s", id)
	}
	p.Status.MachineID, p.Status.Contested = p.Status.Contested.MachineID, nil
	return *p, nil
}

func (c providers) ListProviders(_ context.Context, page core.Page) ([]core.Provider, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.providers.page("", page)
}

func (c providers) GetProvider(_ context.Context, provider string) (core.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.providers.find("", provider)
	if err != nil {
		return core.Provider{}, err
	}
	return *p, nil
}

func (c providers) RevokeProvider(_ context.Context, provider string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.providers.find("", provider)
	if err != nil {
		return err
	}
	for _, h := range c.hosts.rows {
		if h.Provider == p.ID {
			return fault.New(fault.HasChildren, "the host %s is of the provider %s", h.Name, p.Name)
		}
	}
	c.providers.remove(p.ID)
	return nil
}
