// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Backend is what survives a provider's process. It is safe for concurrent use.
type Backend struct {
	mu       sync.Mutex
	now      func() time.Time
	path     string
	data     data
	delay    time.Duration // of each step
	down     bool
	downFile string // while it exists, the backend is down too; "" for none
	// meddleFile says what somebody does behind the provider's back; "" for none.
	meddleFile string
	faults     []*Fault
	listeners  map[int]func(provider.Kind, string)
	consoles   map[*console]struct{} // that are open
	next       int
}

// data is what is kept.
type data struct {
	Hosts     []provider.Host
	Routers   []provider.Router
	Instances map[string]instance
	Networks  map[string]network
	Ports     map[string]port
	Peers     map[string]peer
	Forwards  map[string]forward
	Images    map[string]image
	Volumes   map[string]volume
	Snapshots map[string]snapshot
}

// NewBackend returns an empty backend with one host and one router, which share the fabric "fabric".
func NewBackend() *Backend {
	return &Backend{
		data: data{
			Hosts: []provider.Host{DefaultHost()}, Routers: []provider.Router{DefaultRouter()},
			Instances: map[string]instance{}, Networks: map[string]network{}, Ports: map[string]port{},
			Peers: map[string]peer{}, Forwards: map[string]forward{}, Images: map[string]image{}, Volumes: map[string]volume{}, Snapshots: map[string]snapshot{},
		},
		listeners: map[int]func(provider.Kind, string){},
		consoles:  map[*console]struct{}{}, now: time.Now,
	}
}

// DefaultHost is the host that a new backend has.
func DefaultHost() provider.Host {
	return provider.Host{
		ID: "memory-host", Name: "memory-host", Fabrics: []string{"fabric"}, Architecture: "x86_64",
		Capacity: map[string]int64{provider.UnitVCPUs: 64, provider.UnitMemoryBytes: 64 << 30, provider.UnitDiskBytes: 1 << 40},
	}
}

// DefaultRouter is the router that a new backend has.
func DefaultRouter() provider.Router {
	return provider.Router{
		ID: "memory-router", Name: "memory-router", Fabrics: []string{"fabric"}, MTU: 1500,
		Endpoint: &provider.Endpoint{Host: "vpn.example.org", PortMin: 51820, PortMax: 52819},
	}
}

// SetHosts replaces the hosts.
func (b *Backend) SetHosts(hosts ...provider.Host) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data.Hosts = hosts
}

// SetRouters replaces the routers.
func (b *Backend) SetRouters(routers ...provider.Router) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data.Routers = routers
}

// Objects names everything that is there with our tag, half-made or not: "instance 0198c0de-...", sorted. A test that
// cleaned up finds none.
func (b *Backend) Objects() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for id := range b.data.Instances {
		all = append(all, "instance "+id)
	}
	for id := range b.data.Networks {
		all = append(all, "network "+id)
	}
	for id := range b.data.Ports {
		all = append(all, "port "+id)
	}
	for id := range b.data.Peers {
		all = append(all, "peer "+id)
	}
	for id := range b.data.Forwards {
		all = append(all, "forward "+id)
	}
	for id := range b.data.Volumes {
		all = append(all, "volume "+id)
	}
	for id := range b.data.Snapshots {
		all = append(all, "snapshot "+id)
	}
	slices.Sort(all)
	return all
}

// Persist keeps everything in a file from now on. What the file holds already replaces what is there.
func (b *Backend) Persist(path string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if path == b.path {
		return nil
	}
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return &fault.Error{Code: fault.Unavailable, Reason: fault.BackendDown, Message: "the state file cannot be read", Err: err}
	default:
		kept := NewBackend().data
		if err := json.Unmarshal(content, &kept); err != nil {
			return &fault.Error{Code: fault.Unavailable, Reason: fault.BackendDown, Message: "the state file is damaged", Err: err}
		}
		b.data = kept
	}
	b.path = path
	return b.save()
}

// save writes the file, whole or not at all.
func (b *Backend) save() error {
	if b.path == "" {
		return nil
	}
	content, err := json.Marshal(b.data)
	if err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(b.path), "."+filepath.Base(b.path)+".new")
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return &fault.Error{Code: fault.Unavailable, Reason: fault.BackendDown, Message: "the state file cannot be written", Err: err}
	}
	return os.Rename(temporary, b.path)
}

// change runs f on the data. f must change nothing if it returns an error.
func (b *Backend) change(kind provider.Kind, id string, f func(*data) error) error {
	b.mu.Lock()
	err := f(&b.data)
	if err == nil {
		err = b.save()
		b.hangUp(id)
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	b.tell(kind, id)
	return nil
}

// tell says that an object has changed beside the one that was asked for; an empty id means all of the kind.
func (b *Backend) tell(kind provider.Kind, id string) {
	b.mu.Lock()
	listeners := b.listening()
	b.mu.Unlock()
	for _, changed := range listeners {
		changed(kind, id)
	}
}

func (b *Backend) listening() []func(provider.Kind, string) {
	var all []func(provider.Kind, string)
	for _, l := range b.listeners {
		all = append(all, l)
	}
	return all
}

// listen calls changed with each change, until stop.
func (b *Backend) listen(changed func(provider.Kind, string)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	n := b.next
	b.listeners[n] = changed
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, n)
	}
}
