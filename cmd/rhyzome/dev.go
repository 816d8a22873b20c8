// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/cmd/scratch"
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/auth"
	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/core/place"
	"github.com/rhyzome/rhyzome/core/project"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// What a core for development begins with.
const (
	devProvider = "memory"
	devProject  = "demo"
	devFabric   = "fabric" // the one that the memory provider's host and router are on
)

// devCloseWithin is how long the pretended work may take to stop.
const devCloseWithin = 5 * time.Second

// devCore is a core that lives in a directory of its own until it ends, with the memory provider for what the author of a
// provider does not have.
type devCore struct {
	service string // of the memory provider: compute, network, or both
	out     io.Writer
}

// devConfig makes the configuration of such a core. Flags that were given count. remove removes what it kept;
// what a core that was killed kept is removed here.
func devConfig(c serverConfig, given func(flag string) bool) (out serverConfig, remove func() error, err error) {
	dir, remove, err := scratch.Make("rhyzome-dev-")
	if err != nil {
		return c, nil, err
	}
	c.StateDir = filepath.Join(dir, "state")
	if !given("attach-listen") {
		c.AttachListen = "127.0.0.1:7443"
	}
	if !given("advertise") {
		c.Advertise = c.AttachListen
	}
	if !given("log-level") {
		c.LogLevel = "warn"
	}
	return c, remove, nil
}

func (d devCore) check() error {
	if !slices.Contains([]string{"compute", "network", "both"}, d.service) {
		return fmt.Errorf("--dev-with takes compute, network or both, not %q", d.service)
	}
	return nil
}

// run makes the fabric and the project, and keeps the memory provider attached until ctx ends.
func (d devCore) run(ctx context.Context, c serverConfig, authority *pki.Authority, places *place.Service, projects *project.Service) error {
	if _, err := places.CreateFabric(ctx, core.New{Name: devFabric}, core.FabricSpec{Kind: "vlan", SegmentMin: 100, SegmentMax: 999}); err != nil {
		return err
	}
	if _, err := projects.Create(ctx, core.New{Name: devProject}); err != nil {
		return err
	}
	identity, err := d.join(ctx, authority)
	if err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	e := engine.New(d.provider(), engine.Options{Logger: quiet})
	if _, err := fmt.Fprintf(d.out, devWelcome, c.RESTListen, filepath.Join(c.StateDir, auth.OperatorTokenFile),
		filepath.Join(c.StateDir, "pki", "ca.crt"), devProject, d.service, devProvider, devFabric); err != nil {
		return err
	}
	dialer := attach.Dialer{
		Addresses: []string{c.Advertise},
		Identity:  func() attach.Identity { return identity },
		Hello: attach.Hello{
			Provider: devProvider, MachineID: devProvider, Plugin: e.Description().Name, PluginVersion: e.Description().Version,
			Versions: []int{handshake.ProtocolVersion}, ProcessID: e.Description().ProcessID,
		},
		Clock: attach.NewClock(time.Now, time.Time{}), Register: e.Register, Log: quiet,
	}
	dialer.Run(ctx)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), devCloseWithin)
	defer cancel()
	return e.Close(closing)
}

func (d devCore) provider() provider.Provider {
	b := memory.NewBackend()
	switch d.service {
	case "compute":
		return memory.NewCompute(b)
	case "network":
		return memory.NewNetwork(b)
	}
	return memory.New(b)
}

// join admits the memory provider as any other, with a token and a key of its own.
func (d devCore) join(ctx context.Context, authority *pki.Authority) (attach.Identity, error) {
	_, fresh, err := authority.CreateToken(ctx, core.NewToken{Name: devProvider})
	if err != nil {
		return attach.Identity{}, err
	}
	token, err := attach.ParseToken(fresh.Token)
	if err != nil {
		return attach.Identity{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return attach.Identity{}, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return attach.Identity{}, err
	}
	e, err := authority.Enrol(ctx, pki.EnrolRequest{
		Secret: token.Secret, CertificateRequest: request, MachineID: devProvider, Plugin: "memory",
	})
	if err != nil {
		return attach.Identity{}, err
	}
	roots := x509.NewCertPool()
	for _, der := range e.Roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return attach.Identity{}, errors.Join(errors.New("the CA's own certificate"), err)
		}
		roots.AddCert(root)
	}
	return attach.Identity{
		Certificate: tls.Certificate{Certificate: e.Chain, PrivateKey: key, Leaf: e.Certificate}, Roots: roots,
	}, nil
}

const devWelcome = `A core to develop against. It pretends what you do not have, and is gone when it ends (Ctrl-C).

In another terminal:

  rhyzome context set dev --url https://%s --token-file %s --ca-file %s --project %s
  rhyzome provider list          # pretended services (%s): the provider %s
  rhyzome provider token create --name mine

The last command prints one line, to run with your program in the place of PLUGIN; add --replace if it joined an earlier
core of this kind. Then attach it. The fabric is called "%s": hosts and routers must list it to be on a network together.
`
