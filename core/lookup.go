// SPDX-License-Identifier: Apache-2.0

package core

import (
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// The Find functions return the one row that ref names, by id or by name; UnknownResource if there is none in its
// scope, even if another project has it.

// FindProject finds a project.
func FindProject(tx Tx, ref string) (Project, error) {
	return find(tx.Projects(), Query{}, ref, "project", func(Project) string { return "" })
}

// FindImage finds an image of a project.
func FindImage(tx Tx, project Project, ref string) (Image, error) {
	return find(tx.Images(), Query{Project: project.ID}, ref, "image", func(i Image) string { return i.Project })
}

// FindNetwork finds a network of a project.
func FindNetwork(tx Tx, project Project, ref string) (Network, error) {
	return find(tx.Networks(), Query{Project: project.ID}, ref, "network", func(n Network) string { return n.Project })
}

// FindPeer finds a peer of a network.
func FindPeer(tx Tx, network Network, ref string) (Peer, error) {
	return find(tx.Peers(), Query{Parent: network.ID}, ref, "peer", func(p Peer) string { return p.Network })
}

// FindInstance finds an instance of a project.
func FindInstance(tx Tx, project Project, ref string) (Instance, error) {
	return find(tx.Instances(), Query{Project: project.ID}, ref, "instance", func(i Instance) string { return i.Project })
}

// FindHost finds a host.
func FindHost(tx Tx, ref string) (Host, error) {
	return find(tx.Hosts(), Query{}, ref, "host", func(Host) string { return "" })
}

// FindRouter finds a router.
func FindRouter(tx Tx, ref string) (Router, error) {
	return find(tx.Routers(), Query{}, ref, "router", func(Router) string { return "" })
}

// FindFabric finds a fabric.
func FindFabric(tx Tx, ref string) (Fabric, error) {
	return find(tx.Fabrics(), Query{}, ref, "fabric", func(Fabric) string { return "" })
}

// FindProvider finds a provider.
func FindProvider(tx Tx, ref string) (Provider, error) {
	return find(tx.Providers(), Query{}, ref, "provider", func(Provider) string { return "" })
}

// find looks in the scope of q; owner tells what of q (its project or parent) a row belongs to.
func find[T any](t Table[T], q Query, ref, kind string, owner func(T) string) (T, error) {
	var none T
	unknown := fault.New(fault.UnknownResource, "there is no %s %q", kind, ref)
	if LooksLikeID(ref) {
		row, err := t.Get(strings.ToLower(ref))
		if fault.ReasonOf(err) == fault.UnknownResource || err == nil && owner(row) != q.Project+q.Parent {
			return none, unknown
		}
		return row, err
	}
	if ref == "" {
		return none, unknown
	}
	q.Name = ref
	rows, err := t.Find(q)
	if err != nil {
		return none, err
	}
	if len(rows) == 0 {
		return none, unknown
	}
	return rows[0], nil
}

// maxPage is the most that one Find returns.
const maxPage = 1000

// All returns every row that q selects, page by page; id tells a row's id.
func All[T any](t Table[T], q Query, id func(T) string) ([]T, error) {
	var all []T
	q.Page = Page{Limit: maxPage}
	for {
		rows, err := t.Find(q)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if len(rows) < maxPage {
			return all, nil
		}
		q.After = id(rows[len(rows)-1])
	}
}

// List returns the page of rows that q selects, and the cursor of the next page: empty at the end.
func List[T any](t Table[T], q Query, id func(T) string) ([]T, string, error) {
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Limit < 0 || q.Limit > maxPage {
		return nil, "", fault.Invalid("/limit", "%d is not a page size; use 1 to %d", q.Limit, maxPage)
	}
	rows, err := t.Find(q)
	if err != nil || len(rows) < q.Limit {
		return rows, "", err
	}
	last := id(rows[len(rows)-1])
	q.Page = Page{After: last, Limit: 1}
	more, err := t.Find(q)
	if err != nil || len(more) == 0 {
		return rows, "", err
	}
	return rows, last, nil
}

// BadRef turns a lookup's UnknownResource into what is wrong with the field of a request that named the resource.
// Other errors, and nil, stay.
func BadRef(field string, err error) error {
	if fault.ReasonOf(err) != fault.UnknownResource {
		return err
	}
	return fault.Invalid(field, "%s", fault.Of(err).Message)
}

// NotRevoked refuses with ProviderRevoked if a provider was deleted: what it owned is out of reach for good, unlike that
// of one that is away.
func NotRevoked(tx Tx, provider string) error {
	p, err := tx.Providers().Get(provider)
	if err == nil && p.Status.State == ProviderRevoked {
		return fault.New(fault.ProviderRevoked, "provider %s was deleted", p.Name)
	}
	return err
}
