// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// wantTaken compares a refusal: its reason, and the column that it names.
func wantTaken(t *testing.T, what string, err error, reason fault.Reason, column string) {
	t.Helper()
	if got := fault.Of(err); err == nil || got.Reason != reason || got.Metadata["column"] != column {
		t.Errorf("%s: %v (%+v), want %s of %s", what, err, got, reason, column)
	}
}

// pair is two rows of which the second may not be inserted beside the first, nor become like it; and how it could be.
type pair[T any] struct {
	what          string
	first, second T
	column        string // empty: they may stand side by side
}

func tryPairs[T any](t *testing.T, s core.Store, table func(core.Tx) core.Table[T], reason fault.Reason, ids [2]string, free T, pairs ...pair[T]) {
	t.Helper()
	for _, p := range pairs {
		update(t, s, func(tx core.Tx) error { return table(tx).Insert(p.first) })
		err := s.Update(t.Context(), func(tx core.Tx) error { return table(tx).Insert(p.second) })
		if p.column == "" {
			wantReason(t, p.what, err, "")
		} else {
			wantTaken(t, p.what, err, reason, p.column)
			update(t, s, func(tx core.Tx) error { return table(tx).Insert(free) })
			err = s.Update(t.Context(), func(tx core.Tx) error { return table(tx).Update(p.second) })
			wantTaken(t, p.what+", by update", err, reason, p.column)
		}
		update(t, s, func(tx core.Tx) error {
			if err := table(tx).Delete(ids[0]); err != nil {
				return err
			}
			return table(tx).Delete(ids[1])
		})
	}
}

func testUniqueness(t *testing.T, s core.Store) {
	ids := [2]string{id(1), id(2)}
	named := func(n int, name string) core.Meta { return core.Meta{ID: id(n), Name: name} }

	tryPairs(t, s, core.Tx.Projects, fault.NameTaken, ids, core.Project{Meta: named(2, "free")},
		pair[core.Project]{"project names", core.Project{Meta: named(1, "a")}, core.Project{Meta: named(2, "a")}, "name"},
		pair[core.Project]{"other project names", core.Project{Meta: named(1, "a")}, core.Project{Meta: named(2, "A")}, ""})
	tryPairs(t, s, core.Tx.Images, fault.NameTaken, ids, core.Image{Meta: named(2, "free"), Project: "p"},
		pair[core.Image]{"image names", core.Image{Meta: named(1, "a"), Project: "p"}, core.Image{Meta: named(2, "a"), Project: "p"}, "name"},
		pair[core.Image]{"image names of two projects", core.Image{Meta: named(1, "a"), Project: "p"}, core.Image{Meta: named(2, "a"), Project: "q"}, ""})
	tryPairs(t, s, core.Tx.Instances, fault.NameTaken, ids, core.Instance{Meta: named(2, "free"), Project: "p"},
		pair[core.Instance]{"instance names", core.Instance{Meta: named(1, "a"), Project: "p"}, core.Instance{Meta: named(2, "a"), Project: "p"}, "name"},
		pair[core.Instance]{"instance names of two projects", core.Instance{Meta: named(1, "a"), Project: "p"}, core.Instance{Meta: named(2, "a"), Project: "q"}, ""})
	tryPairs(t, s, core.Tx.Fabrics, fault.NameTaken, ids, core.Fabric{Meta: named(2, "free")},
		pair[core.Fabric]{"fabric names", core.Fabric{Meta: named(1, "a")}, core.Fabric{Meta: named(2, "a")}, "name"})
	tryPairs(t, s, core.Tx.Providers, fault.NameTaken, ids, core.Provider{Meta: named(2, "free")},
		pair[core.Provider]{"provider names", core.Provider{Meta: named(1, "a")}, core.Provider{Meta: named(2, "a")}, "name"})
	tryPairs(t, s, core.Tx.JoinTokens, fault.NameTaken, ids, core.JoinToken{ID: id(2), SecretHash: "free"},
		pair[core.JoinToken]{"tokens", core.JoinToken{ID: id(1), SecretHash: "a"}, core.JoinToken{ID: id(2), SecretHash: "a"}, "secret_hash"})
	tryPairs(t, s, core.Tx.Hosts, fault.NameTaken, ids, core.Host{Meta: named(2, "free"), Provider: "x", BackendID: "free"},
		pair[core.Host]{"host names", core.Host{Meta: named(1, "a"), Provider: "x", BackendID: "1"}, core.Host{Meta: named(2, "a"), Provider: "y", BackendID: "2"}, "name"},
		pair[core.Host]{"a provider's hosts", core.Host{Meta: named(1, "a"), Provider: "x", BackendID: "1"}, core.Host{Meta: named(2, "b"), Provider: "x", BackendID: "1"}, "backend_id"},
		pair[core.Host]{"two providers' hosts", core.Host{Meta: named(1, "a"), Provider: "x", BackendID: "1"}, core.Host{Meta: named(2, "b"), Provider: "y", BackendID: "1"}, ""})
	tryPairs(t, s, core.Tx.Routers, fault.NameTaken, ids, core.Router{Meta: named(2, "free"), Provider: "x", BackendID: "free"},
		pair[core.Router]{"router names", core.Router{Meta: named(1, "a"), Provider: "x", BackendID: "1"}, core.Router{Meta: named(2, "a"), Provider: "y", BackendID: "2"}, "name"},
		pair[core.Router]{"a provider's routers", core.Router{Meta: named(1, "a"), Provider: "x", BackendID: "1"}, core.Router{Meta: named(2, "b"), Provider: "x", BackendID: "1"}, "backend_id"})
	tryPairs(t, s, core.Tx.Ports, fault.NameTaken, ids, core.Port{ID: id(2), Network: "n"},
		pair[core.Port]{"MACs", core.Port{ID: id(1), Network: "n", MAC: "52:54:00:00:00:01"}, core.Port{ID: id(2), Network: "m", MAC: "52:54:00:00:00:01"}, "mac"},
		pair[core.Port]{"ports without a MAC", core.Port{ID: id(1), Network: "n"}, core.Port{ID: id(2), Network: "n"}, ""})
	tryPairs(t, s, core.Tx.Peers, fault.NameTaken, ids, core.Peer{Meta: named(2, "free"), Network: "n"},
		pair[core.Peer]{"peer names", core.Peer{Meta: named(1, "a"), Network: "n"}, core.Peer{Meta: named(2, "a"), Network: "n"}, "name"},
		pair[core.Peer]{"peer names of two networks", core.Peer{Meta: named(1, "a"), Network: "n"}, core.Peer{Meta: named(2, "a"), Network: "m"}, ""},
		pair[core.Peer]{"peers' keys", core.Peer{Meta: named(1, "a"), Network: "n", Spec: core.PeerSpec{PublicKey: "k"}}, core.Peer{Meta: named(2, "b"), Network: "n", Spec: core.PeerSpec{PublicKey: "k"}}, "public_key"})
	tryPairs(t, s, core.Tx.Operations, fault.ResourceBusy, ids, op(2, "free", core.OperationPending),
		pair[core.Operation]{"open operations", op(1, "r", core.OperationWaiting), op(2, "r", core.OperationPending), "resource"},
		pair[core.Operation]{"an ended operation", op(1, "r", core.OperationFailed), op(2, "r", core.OperationPending), ""})
	testNetworkUniqueness(t, s)
}

func op(n int, resource string, state core.OperationState) core.Operation {
	return core.Operation{ID: id(n), State: state, Resource: core.ResourceRef{ID: resource}}
}

// A network's handle is new each time, because it is never free again.
func testNetworkUniqueness(t *testing.T, s core.Store) {
	handles := 0
	network := func(n int, name, fabric string, segment int, router string, port int) core.Network {
		handles++
		w := core.Network{Meta: core.Meta{ID: id(n), Name: name}, Project: "p", Status: core.NetworkStatus{
			Handle: id(handles), Fabric: fabric, SegmentID: segment, Router: router,
		}}
		if port != 0 {
			w.Status.WireGuard = &core.WireGuardStatus{ListenPort: port}
		}
		return w
	}
	for _, p := range []pair[core.Network]{
		{"network names", network(1, "a", "f", 1, "r", 1), network(2, "a", "f", 2, "r", 2), "name"},
		{"segments", network(1, "a", "f", 1, "r", 1), network(2, "b", "f", 1, "r", 2), "segment"},
		{"segments of two fabrics", network(1, "a", "f", 1, "r", 1), network(2, "b", "g", 1, "r", 2), ""},
		{"WireGuard ports", network(1, "a", "f", 1, "r", 1), network(2, "b", "f", 2, "r", 1), "listen_port"},
		{"WireGuard ports of two routers", network(1, "a", "f", 1, "r", 1), network(2, "b", "f", 2, "q", 1), ""},
		{"what has no segment and no port", network(1, "a", "f", 0, "r", 0), network(2, "b", "f", 0, "r", 0), ""},
	} {
		tryPairs(t, s, core.Tx.Networks, fault.NameTaken, [2]string{id(1), id(2)}, network(2, "free", "f", 99, "r", 99), p)
	}
}

func testHandles(t *testing.T, s core.Store) {
	network := core.Network{Meta: core.Meta{ID: id(1), Name: "a"}, Project: "p", Status: core.NetworkStatus{Handle: "abcd1234"}}
	update(t, s, func(tx core.Tx) error { return tx.Networks().Insert(network) })
	update(t, s, func(tx core.Tx) error { return tx.Networks().Update(network) })
	update(t, s, func(tx core.Tx) error { return tx.Networks().Delete(network.ID) })
	network.ID = id(2)
	err := s.Update(t.Context(), func(tx core.Tx) error { return tx.Networks().Insert(network) })
	wantTaken(t, "the handle of a network that is gone", err, fault.NameTaken, "handle")
	_, err = get(t, s, core.Tx.Networks, id(2))
	wantReason(t, "the refused network", err, fault.UnknownResource)
}

func testAddresses(t *testing.T, s core.Store) {
	port := func(n int, network string, addresses ...string) core.Port {
		return core.Port{ID: id(n), Network: network, Addresses: addresses}
	}
	peer := core.Peer{Meta: core.Meta{ID: id(9), Name: "laptop"}, Network: "n", Status: core.PeerStatus{Addresses: []string{"10.0.0.2"}}}
	insert := func(p core.Port) error {
		return s.Update(t.Context(), func(tx core.Tx) error { return tx.Ports().Insert(p) })
	}
	wantReason(t, "the first port", insert(port(1, "n", "10.0.0.2", "fd00::2")), "")
	wantTaken(t, "a v4 address", insert(port(2, "n", "10.0.0.2")), fault.NameTaken, "address")
	wantTaken(t, "a v6 address, written otherwise", insert(port(2, "n", "fd00:0::0002")), fault.NameTaken, "address")
	wantReason(t, "the address on another network", insert(port(3, "m", "10.0.0.2")), "")
	wantReason(t, "what is no address", insert(port(2, "n", "10.0.0.300")), fault.Bug)
	err := s.Update(t.Context(), func(tx core.Tx) error { return tx.Peers().Insert(peer) })
	wantTaken(t, "a port's address for a peer", err, fault.NameTaken, "address")

	update(t, s, func(tx core.Tx) error { return tx.Ports().Update(port(1, "n", "10.0.0.3")) })
	update(t, s, func(tx core.Tx) error { return tx.Peers().Insert(peer) })
	wantTaken(t, "a peer's address for a port", insert(port(2, "n", "10.0.0.2")), fault.NameTaken, "address")
	update(t, s, func(tx core.Tx) error { return tx.Peers().Delete(peer.ID) })
	update(t, s, func(tx core.Tx) error { return tx.Ports().Delete(id(1)) })
	wantReason(t, "what is free again", insert(port(2, "n", "10.0.0.2", "10.0.0.3", "fd00::2")), "")
}

func testOperations(t *testing.T, s core.Store) {
	first := op(1, "instance", core.OperationPending)
	first.Parents = []string{"network", "image", "network"}
	update(t, s, func(tx core.Tx) error { return tx.Operations().Insert(first) })
	operation := func(o core.Operation) string { return o.ID }
	wantFound(t, s, "by resource", core.Tx.Operations, operation, core.Query{Parent: "instance", Open: true}, 1)
	wantFound(t, s, "by parent", core.Tx.Operations, operation, core.Query{Shared: "network", Open: true}, 1)
	wantFound(t, s, "a resource is no parent", core.Tx.Operations, operation, core.Query{Shared: "instance", Open: true})
	first.State = core.OperationSucceeded
	update(t, s, func(tx core.Tx) error { return tx.Operations().Update(first) })
	wantFound(t, s, "by parent, ended", core.Tx.Operations, operation, core.Query{Shared: "network", Open: true})
	wantFound(t, s, "by parent, any", core.Tx.Operations, operation, core.Query{Shared: "network"}, 1)
}
