// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"time"
)

// Store keeps everything that must survive a restart. core/store implements it.
type Store interface {
	// View runs f in a read transaction.
	View(ctx context.Context, f func(Tx) error) error
	// Update runs f in a write transaction and commits if f returns nil. f may run more than once.
	Update(ctx context.Context, f func(Tx) error) error
}

// Tx is one transaction. Its errors are faults: UnknownResource, NameTaken, ResourceBusy.
type Tx interface {
	Projects() Table[Project]
	Images() Table[Image]
	Networks() Table[Network]
	Ports() Table[Port]
	Peers() Table[Peer]
	Instances() Table[Instance]
	Hosts() Table[Host]
	Routers() Table[Router]
	Fabrics() Table[Fabric]
	Providers() Table[Provider]
	JoinTokens() Table[JoinToken]
	Operations() Table[Operation]

	// RedeemToken stores a token whose UsedAt was set, unless somebody redeemed it before: TokenUsed. It is one
	// conditional update, so of many who try one succeeds.
	RedeemToken(token JoinToken) error

	// NextFence draws from the one counter of the whole store; Fence reads it.
	NextFence() (uint64, error)
	Fence() (uint64, error)
	// Emit adds an event; its position is given after the commit.
	Emit(Event) error
	// Events returns up to limit events after a position, oldest first.
	Events(after int64, limit int) ([]Event, error)
	// BackendHandle returns what a provider gave the core to remember of an object; nil for nothing. SetBackendHandle
	// keeps it; nothing removes it.
	BackendHandle(provider, object string) ([]byte, error)
	SetBackendHandle(provider, object string, handle []byte) error
	// Setting and SetSetting keep small singletons: cloud id, ULA prefix. Absent is "".
	Setting(key string) (string, error)
	SetSetting(key, value string) error
}

// Table is one kind of row.
type Table[T any] interface {
	// Get returns the row; UnknownResource if there is none.
	Get(id string) (T, error)
	// Find returns rows in the order of ids.
	Find(q Query) ([]T, error)
	// Insert adds a row: NameTaken if its name or one of its unique properties is taken.
	Insert(row T) error
	// Update replaces a row: UnknownResource if there is none.
	Update(row T) error
	// Delete removes a row; nothing is fine.
	Delete(id string) error
}

// Query selects rows. Empty fields don't select; a field that the kind does not have selects nothing.
type Query struct {
	Project  string // id
	Name     string
	Parent   string    // network of a port or peer, provider of a host or router, router of a network, host of an instance, resource of an operation
	Shared   string    // a resource that an operation holds shared
	Instance string    // of a port
	Open     bool      // operations that have not ended
	DueBy    time.Time // operations whose time and lease have passed then
	Page
}
