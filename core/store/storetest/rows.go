// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// testRows writes, reads, replaces and deletes a row of every kind, with every field set.
func testRows(t *testing.T, s core.Store) {
	later := at.Add(time.Minute)
	yes := true
	rowOf(t, s, "project", core.Tx.Projects, id(1), core.Project{Meta: meta("a")}, core.Project{Meta: meta("b")})

	image := core.Image{Meta: meta("a"), Project: id(9), Spec: core.ImageSpec{Format: "qcow2", SHA256: "ab"}, Status: core.ImageStatus{State: core.ImageReady, SHA256: "ab", SizeBytes: 1 << 40}}
	changed := image
	changed.Status.SizeBytes = 1<<53 + 1
	rowOf(t, s, "image", core.Tx.Images, id(1), image, changed)

	network := core.Network{Meta: meta("a"), Project: id(9), Spec: core.NetworkSpec{Fabric: "f", IPv4CIDR: "10.0.0.0/24", WireGuard: &yes}, Status: core.NetworkStatus{
		State: core.NetworkReady, Handle: "abcd1234", Fabric: "f", SegmentID: 100, Router: id(8), Subnets: []core.Subnet{{CIDR: "10.0.0.0/24", Gateway: "10.0.0.1"}},
		WireGuard: &core.WireGuardStatus{Endpoint: "r:51820", ListenPort: 51820, Subnets: []core.Subnet{}}, ObservedAt: &at,
	}}
	bare := network
	bare.Status = core.NetworkStatus{State: core.NetworkError, Handle: "abcd1234", Subnets: []core.Subnet{}}
	rowOf(t, s, "network", core.Tx.Networks, id(1), network, bare)

	port := core.Port{ID: id(1), Network: id(7), NetworkName: "n", Instance: id(6), MAC: "52:54:00:00:00:01", Addresses: []string{"10.0.0.2", "fd00::2"}, DNSName: "a.n", Generation: 1}
	moved := port
	moved.Addresses = []string{"10.0.0.2", "fd00::3"}
	rowOf(t, s, "port", core.Tx.Ports, id(1), port, moved)

	peer := core.Peer{Meta: meta("a"), Project: id(9), Network: id(7), Spec: core.PeerSpec{PublicKey: "key"}, Status: core.PeerStatus{State: core.PeerReady, Addresses: []string{"10.1.0.2"}, AllowedIPs: []string{}, DNS: []string{}}}
	released := peer
	released.Status.Addresses = []string{}
	rowOf(t, s, "peer", core.Tx.Peers, id(1), peer, released)

	instance := core.Instance{Meta: meta("a"), Project: id(9), Spec: core.InstanceSpec{Kind: "vm", Image: id(5), VCPUs: 2, MemoryBytes: 1 << 33, CloudInit: &core.CloudInit{UserData: "#cloud-config\n"}}, Status: core.InstanceStatus{State: core.InstanceRunning, Host: id(4), Ports: []core.Port{port}, ObservedAt: &at}}
	stopped := instance
	stopped.Status.State, stopped.Status.Host = core.InstanceStopped, ""
	rowOf(t, s, "instance", core.Tx.Instances, id(1), instance, stopped)

	host := core.Host{Meta: meta("a"), Provider: id(3), BackendID: "machine", Capacity: map[string]int64{"vcpus": 1<<53 + 1}, Fabrics: []string{"f"}, State: core.PlaceReady, ObservedAt: &at}
	cordoned := host
	cordoned.Cordoned = true
	rowOf(t, s, "host", core.Tx.Hosts, id(1), host, cordoned)

	router := core.Router{Meta: meta("a"), Provider: id(3), BackendID: "machine", Fabrics: []string{}, Endpoint: &core.Endpoint{Host: "h", PortMin: 1, PortMax: 2}, MTU: 1500, State: core.PlaceReady}
	away := router
	away.State, away.Endpoint = core.PlaceUnreachable, nil
	rowOf(t, s, "router", core.Tx.Routers, id(1), router, away)

	fabric := core.Fabric{Meta: meta("a"), Spec: core.FabricSpec{Kind: "vlan", SegmentMin: 100, SegmentMax: 199}}
	wider := fabric
	wider.Spec.SegmentMax = 299
	rowOf(t, s, "fabric", core.Tx.Fabrics, id(1), fabric, wider)

	provider := core.Provider{Meta: meta("a"), Status: core.ProviderStatus{State: core.ProviderReady, Services: []string{"compute"}, Capabilities: []string{}, AttachedAt: &at}}
	gone := provider
	gone.Status.State, gone.Status.AttachedAt = core.ProviderUnreachable, nil
	rowOf(t, s, "provider", core.Tx.Providers, id(1), provider, gone)

	token := core.JoinToken{ID: id(1), Provider: id(3), SecretHash: "hash", CreatedAt: at, ExpiresAt: later}
	used := token
	used.UsedAt = &later
	rowOf(t, s, "join token", core.Tx.JoinTokens, id(1), token, used)

	op := core.Operation{
		ID: id(1), Project: id(9), Kind: "instance.create", Resource: core.ResourceRef{Kind: "instance", ID: id(2), Name: "web"},
		State: core.OperationRunning, WaitingFor: "p", Percent: 40, Steps: []core.OperationStep{{Name: "s", State: core.StepRunning, Detail: "d", Attempts: 2, StartedAt: &at}},
		CreatedAt: at, UpdatedAt: at, Step: 3, Attempt: 4, RunAt: at, Fence: 1<<53 + 1, LeaseUntil: later, CancelRequested: true,
		Parents: []string{id(7), id(8)}, Input: json.RawMessage(`{"hard":true}`),
	}
	ended := op
	ended.State, ended.EndedAt, ended.LeaseUntil, ended.RunAt = core.OperationFailed, &later, time.Time{}, time.Time{}
	ended.Error = &core.Problem{Code: "c", Detail: "d", Errors: []core.ProblemField{{Field: "/f", Description: "x"}}}
	ended.Leftovers, ended.Input, ended.CancelRequested = []string{"a disk"}, nil, false
	rowOf(t, s, "operation", core.Tx.Operations, id(1), op, ended)
}

// rowOf takes one row through its life.
func rowOf[T any](t *testing.T, s core.Store, kind string, table func(core.Tx) core.Table[T], rowID string, row, changed T) {
	t.Run(kind, func(t *testing.T) {
		_, err := get(t, s, table, rowID)
		wantReason(t, "Get before Insert", err, fault.UnknownResource)
		err = s.Update(t.Context(), func(tx core.Tx) error { return table(tx).Update(row) })
		wantReason(t, "Update before Insert", err, fault.UnknownResource)

		update(t, s, func(tx core.Tx) error { return table(tx).Insert(row) })
		got, err := get(t, s, table, rowID)
		wantReason(t, "Get", err, "")
		wantSame(t, "Get", got, row)
		err = s.Update(t.Context(), func(tx core.Tx) error { return table(tx).Insert(row) })
		if err == nil {
			t.Error("a second row with the same id was inserted")
		}

		update(t, s, func(tx core.Tx) error { return table(tx).Update(changed) })
		got, err = get(t, s, table, rowID)
		wantReason(t, "Get after Update", err, "")
		wantSame(t, "Get after Update", got, changed)
		view(t, s, func(tx core.Tx) error {
			all, err := table(tx).Find(core.Query{})
			wantSame(t, "Find", all, []T{changed})
			return err
		})

		update(t, s, func(tx core.Tx) error { return table(tx).Delete(rowID) })
		_, err = get(t, s, table, rowID)
		wantReason(t, "Get after Delete", err, fault.UnknownResource)
		update(t, s, func(tx core.Tx) error { return table(tx).Delete(rowID) })
	})
}

func get[T any](t *testing.T, s core.Store, table func(core.Tx) core.Table[T], rowID string) (row T, err error) {
	err = s.View(t.Context(), func(tx core.Tx) (err error) {
		row, err = table(tx).Get(rowID)
		return err
	})
	return row, err
}
