// SPDX-License-Identifier: Apache-2.0

// Package resttest is a cloud in memory behind core/rest: for tests of the API, of its clients and of the command line.
// Its operations go one step further each time somebody looks at them, so nothing has to be waited for. Names steer it:
// what is called doomed… fails, what is called stuck… waits until it is canceled or abandoned.
package resttest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Cloud is what there is. Its time stands still at the start of 2026 but for a second with each change.
type Cloud struct {
	mu         sync.Mutex
	changes    int
	ids        int
	projects   table[core.Project]
	images     table[core.Image]
	networks   table[core.Network]
	peers      table[core.Peer]
	instances  table[core.Instance]
	hosts      table[core.Host]
	routers    table[core.Router]
	fabrics    table[core.Fabric]
	providers  table[core.Provider]
	phase      core.CAPhase
	operations []core.Operation
	events     []core.Event
	changed    chan struct{} // closed and replaced with each event
}

// New returns a cloud with one provider, two hosts and a router.
func New() *Cloud {
	c := &Cloud{changed: make(chan struct{})}
	seen := c.now()
	p := core.Provider{Meta: c.meta(core.New{Name: "site"}), Status: core.ProviderStatus{
		State: core.ProviderReady, Plugin: "memory", Version: "0.1.0", Services: []string{"compute", "network"},
		Capabilities: []string{"images", "peers", "power"}, Address: "192.0.2.7:40112", SeenAt: &seen,
		Way: core.WayAttached, AttachedAt: &seen, Lease: &core.ProviderLease{Core: "core.example:7443", Since: seen}, Behind: "0.2.0",
		Hosts: []string{"hv1", "hv2"}, Routers: []string{"gw"},
		Program: &core.ProviderProgram{SHA256: strings.Repeat("5", 64)},
	}}
	c.providers.add("", p)
	for i, name := range []string{"hv1", "hv2"} {
		c.hosts.add("", core.Host{
			Meta: c.meta(core.New{Name: name}), Provider: p.ID, BackendID: fmt.Sprintf("machine-%d", i+1),
			Capacity:  map[string]int64{"vcpus": 8, "memory_bytes": 16 << 30, "disk_bytes": 500 << 30},
			Allocated: map[string]int64{"vcpus": 3, "memory_bytes": 2 << 30},
			Fabrics:   []string{"lab"}, Architecture: "x86_64", State: core.PlaceReady, ObservedAt: &seen,
		})
	}
	c.routers.add("", core.Router{
		Meta: c.meta(core.New{Name: "gw"}), Provider: p.ID, BackendID: "machine-3", Fabrics: []string{"lab"},
		Endpoint: &core.Endpoint{Host: "vpn.example", PortMin: 51820, PortMax: 51899}, MTU: 1500, State: core.PlaceReady,
	})
	return c
}

// Services returns the cloud as the use cases that the API calls.
func (c *Cloud) Services() rest.Services {
	return rest.Services{
		Projects: projects{c}, Images: images{c}, Networks: networks{c}, Peers: networks{c}, Instances: instances{c},
		Places: places{c}, Providers: providers{c}, Dialling: providers{c}, Draining: providers{c}, Locals: providers{c}, CA: authority{c}, Operations: operations{c}, Events: events{c},
	}
}

func (c *Cloud) now() time.Time {
	return time.Date(2026, 1, 1, 0, 0, c.changes, 0, time.UTC)
}

func (c *Cloud) newID() string {
	c.ids++
	return fmt.Sprintf("019b76da-a800-7000-8000-%012d", c.ids)
}

func (c *Cloud) meta(n core.New) core.Meta {
	c.changes++
	return n.Meta(c.newID(), c.now)
}

// table is the rows of one kind, with what owns each of them.
type table[T interface{ Head() core.Meta }] struct {
	rows   []T
	owners []string
}

func (t *table[T]) add(owner string, row T) {
	t.rows, t.owners = append(t.rows, row), append(t.owners, owner)
}

// find returns a row by id or name.
func (t *table[T]) find(owner, ref string) (*T, error) {
	for i := range t.rows {
		if h := t.rows[i].Head(); t.owners[i] == owner && (h.ID == ref || h.Name == ref) {
			return &t.rows[i], nil
		}
	}
	return nil, fault.New(fault.UnknownResource, "there is no %q here", ref)
}

// free refuses a name that is taken.
func (t *table[T]) free(owner, name string) error {
	if _, err := t.find(owner, name); err == nil {
		return fault.New(fault.NameTaken, "the name %s is taken", name)
	}
	return nil
}

func (t *table[T]) remove(id string) {
	for i := range t.rows {
		if t.rows[i].Head().ID == id {
			t.rows = append(t.rows[:i:i], t.rows[i+1:]...)
			t.owners = append(t.owners[:i:i], t.owners[i+1:]...)
			return
		}
	}
}

func (t *table[T]) empty(owner string) bool {
	for _, o := range t.owners {
		if o == owner {
			return false
		}
	}
	return true
}

// page returns the rows of an owner after a cursor.
func (t *table[T]) page(owner string, page core.Page) ([]T, string, error) {
	if page.After != "" && !core.LooksLikeID(page.After) {
		return nil, "", fault.Invalid("query:after", "is no cursor of this list")
	}
	var all []T
	for i, row := range t.rows {
		if t.owners[i] == owner && row.Head().ID > page.After {
			all = append(all, row)
		}
	}
	limit := page.Limit
	if limit == 0 {
		limit = 100
	}
	if len(all) <= limit {
		return all, "", nil
	}
	return all[:limit], all[limit-1].Head().ID, nil
}

func checked(n core.New) error { return fault.Join(n.Check()...) }

func named(name, prefix string) bool { return strings.HasPrefix(name, prefix) }
