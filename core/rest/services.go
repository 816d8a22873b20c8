// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"io"
	"time"

	"github.com/rhyzome/rhyzome/core"
)

// Services are the use cases that the routes call. A project, instance, … is named by id or name. Lists return the
// page and the cursor of the next one, empty at the end.
type Services struct {
	Projects   Projects
	Images     Images
	Networks   Networks
	Peers      Peers
	Instances  Instances
	Places     Places
	Providers  Providers
	CA         CA
	Dialling   Dialling
	Draining   Draining
	Locals     Locals
	Operations Operations
	Events     Events
}

// Projects is implemented by core/project.
type Projects interface {
	Create(ctx context.Context, req core.New) (core.Project, error)
	List(ctx context.Context, page core.Page) ([]core.Project, string, error)
	Get(ctx context.Context, project string) (core.Project, error)
	// Delete refuses with HasChildren while the project owns anything.
	Delete(ctx context.Context, project string) error
}

// Images is implemented by core/image.
type Images interface {
	Create(ctx context.Context, project string, req core.New, spec core.ImageSpec) (core.Image, error)
	// Upload stores content and makes the image ready; it is refused once the image is ready.
	Upload(ctx context.Context, project, image string, content io.Reader) (core.Image, error)
	List(ctx context.Context, project string, page core.Page) ([]core.Image, string, error)
	Get(ctx context.Context, project, image string) (core.Image, error)
	// Delete refuses with HasChildren while instances stand on the image.
	Delete(ctx context.Context, project, image string) error
}

// Networks is implemented by core/network.
type Networks interface {
	Create(ctx context.Context, project string, req core.New, spec core.NetworkSpec) (core.Network, core.Operation, error)
	List(ctx context.Context, project string, page core.Page) ([]core.Network, string, error)
	Get(ctx context.Context, project, network string) (core.Network, error)
	Delete(ctx context.Context, project, network string) (core.Operation, error)
}

// Peers is implemented by core/network.
type Peers interface {
	CreatePeer(ctx context.Context, project, network string, req core.New, spec core.PeerSpec) (core.Peer, core.Operation, error)
	ListPeers(ctx context.Context, project, network string, page core.Page) ([]core.Peer, string, error)
	GetPeer(ctx context.Context, project, network, peer string) (core.Peer, error)
	DeletePeer(ctx context.Context, project, network, peer string) (core.Operation, error)
	// PeerConfig returns a wg-quick file, with a placeholder where the client's private key belongs.
	PeerConfig(ctx context.Context, project, network, peer string) (string, error)
}

// Instances is implemented by core/compute.
type Instances interface {
	Create(ctx context.Context, project string, req core.New, spec core.InstanceSpec) (core.Instance, core.Operation, error)
	List(ctx context.Context, project string, page core.Page) ([]core.Instance, string, error)
	Get(ctx context.Context, project, instance string) (core.Instance, error)
	Delete(ctx context.Context, project, instance string) (core.Operation, error)
	Start(ctx context.Context, project, instance string) (core.Operation, error)
	Stop(ctx context.Context, project, instance string) (core.Operation, error)
	Reboot(ctx context.Context, project, instance string, hard bool) (core.Operation, error)
}

// Places is implemented by core/place: the operators' hosts, routers and fabrics.
type Places interface {
	ListHosts(ctx context.Context, page core.Page) ([]core.Host, string, error)
	GetHost(ctx context.Context, host string) (core.Host, error)
	CordonHost(ctx context.Context, host string, cordoned bool) (core.Host, error)
	ListRouters(ctx context.Context, page core.Page) ([]core.Router, string, error)
	GetRouter(ctx context.Context, router string) (core.Router, error)
	CreateFabric(ctx context.Context, req core.New, spec core.FabricSpec) (core.Fabric, error)
	ListFabrics(ctx context.Context, page core.Page) ([]core.Fabric, string, error)
	GetFabric(ctx context.Context, fabric string) (core.Fabric, error)
	// DeleteFabric refuses with HasChildren while networks use it.
	DeleteFabric(ctx context.Context, fabric string) error
}

// Providers is implemented by core/pki (tokens) and core/pluginhost (closing connections).
type Providers interface {
	// CreateToken makes the provider's row, and the token that admits it. The secret is shown this once.
	CreateToken(ctx context.Context, req core.NewToken) (core.Provider, core.FreshToken, error)
	ListProviders(ctx context.Context, page core.Page) ([]core.Provider, string, error)
	GetProvider(ctx context.Context, provider string) (core.Provider, error)
	// RevokeProvider closes its connection and refuses its certificate from now on. HasChildren while hosts or routers
	// of it carry anything.
	RevokeProvider(ctx context.Context, provider string) error
	// ApproveProvider lets the machine in that waits, or ends a contest in favour of the provider as it is. The
	// fingerprint, unless empty, must be that of the key: InvalidField. BadState if there is nothing to approve.
	ApproveProvider(ctx context.Context, provider, fingerprint string) (core.Provider, error)
	// ReplaceProvider lets a machine that shows a copy of its certificate take its place; BadState if there is none. The
	// machine's id, unless empty, must be that of the one that was refused last: InvalidField.
	ReplaceProvider(ctx context.Context, provider, machine string) (core.Provider, error)
	// ReportProvider keeps a report of the conformance suite; InvalidField if it is about another plugin.
	ReportProvider(ctx context.Context, provider string, report core.ConformanceReport) (core.Provider, error)
}

// CA is implemented by core/pki.
type CA interface {
	GetCA(ctx context.Context) (core.CA, error)
	// RotateCA takes the next step of a rotation: BadState, naming them, while providers are not ready, unless forced.
	RotateCA(ctx context.Context, force bool) (core.CA, error)
	// RequestCA returns what a root that is kept elsewhere has to sign.
	RequestCA(ctx context.Context) (core.CARequest, error)
	// InstallCA takes what it signed: InvalidField if that cannot be used here, BadState without a request or while a
	// rotation is under way.
	InstallCA(ctx context.Context, certificates string) (core.CA, error)
}

// Dialling is implemented by core/pluginhost.
type Dialling interface {
	// DialProvider makes the core connect to a provider that listens at address (HOST:PORT); empty for one that dials the
	// core. InvalidField if that is no address, BadState if the provider was deleted.
	DialProvider(ctx context.Context, provider, address string) (core.Provider, error)
}

// Draining is implemented by core/pluginhost.
type Draining interface {
	// DrainProvider lets a provider finish its work within a time, 0 for its own limit, and take no other.
	DrainProvider(ctx context.Context, provider string, within time.Duration) (core.Provider, error)
	// UndrainProvider takes that back, and starts a child anew; BadState if no operator drained the provider.
	UndrainProvider(ctx context.Context, provider string) (core.Provider, error)
}

// Locals is implemented by core/local.
type Locals interface {
	// Add copies a binary of the core's machine and runs it as a provider. InvalidField when it is not the one with that
	// SHA-256, or not signed as it should be.
	Add(ctx context.Context, name string, b core.NewBinary) (core.Provider, error)
	// Upgrade tries another binary, and begins to put it in the place of the one that a local provider runs: its row tells
	// the outcome. InvalidField says why it was not taken; BadState for a provider that the core does not run.
	Upgrade(ctx context.Context, provider string, b core.NewBinary) (core.Provider, error)
	// Show adds the configuration, without secrets, to a local provider.
	Show(p core.Provider) (core.Provider, error)
	// Configure plans another configuration of a local provider, and applies it: InvalidField for everything that is wrong,
	// below /config; BadState for a provider that the core does not run; ETagMismatch if it was changed since the plan.
	Configure(ctx context.Context, provider string, req core.Configuration) (core.ConfigPlan, error)
}

// Operations is implemented by core/operation.
type Operations interface {
	// List returns the operations of a project; of all, if project is empty.
	List(ctx context.Context, project string, page core.Page) ([]core.Operation, string, error)
	Get(ctx context.Context, operation string) (core.Operation, error)
	// Cancel asks to undo what an operation did so far; BadState if it has ended or cannot be undone.
	Cancel(ctx context.Context, operation string) (core.Operation, error)
	// Abandon gives an operation up and says what stays behind.
	Abandon(ctx context.Context, operation string) (core.Operation, error)
}

// Events is implemented by core/event.
type Events interface {
	// Subscribe yields the events after a position, then new ones as they come, until ctx ends: of a project; of all, if
	// project is empty.
	Subscribe(ctx context.Context, after int64, project string) (<-chan core.Event, error)
}
