// SPDX-License-Identifier: Apache-2.0

package network_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// key returns a public key, a different one for each number.
func key(n byte) string {
	raw := make([]byte, 32)
	raw[31] = n
	return base64.StdEncoding.EncodeToString(raw)
}

// peer admits a peer and waits for it.
func (w *world) peer(network, name string, n byte) core.Peer {
	w.t.Helper()
	_, op, err := w.CreatePeer(w.t.Context(), "alice", network, core.New{Name: name}, core.PeerSpec{PublicKey: key(n)})
	if err != nil {
		w.t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationSucceeded {
		w.t.Fatalf("operation %s: %+v", op.State, op.Error)
	}
	p, err := w.GetPeer(w.t.Context(), "alice", network, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func TestCreatePeer(t *testing.T) {
	w := newWorld(t)
	w.Run()
	n := w.network("lan", core.NetworkSpec{IPv4CIDR: "10.1.0.0/24", IPv6CIDR: "fd01::/64"})
	p := w.peer("lan", "laptop", 1)
	tunnel6 := n.Status.WireGuard.Subnets[1]
	if p.Status.State != core.PeerReady || p.Status.Addresses[0] != "100.64.0.2" || p.Status.Addresses[1] != strings.TrimSuffix(tunnel6.Gateway, "1")+"10" {
		t.Errorf("status = %+v", p.Status)
	}
	if want := []string{"10.1.0.0/24", "fd01::/64", "100.64.0.0/24", tunnel6.CIDR}; !slices.Equal(p.Status.AllowedIPs, want) {
		t.Errorf("allowed = %v, want %v", p.Status.AllowedIPs, want)
	}
	if other := w.peer("lan", "phone", 2); other.Status.Addresses[0] != "100.64.0.3" {
		t.Errorf("second peer = %+v", other.Status)
	}
	spec, ok := w.Provider.Peer(p.ID)
	if !ok || spec.PublicKey != key(1) || spec.NetworkID != n.ID || spec.Addresses[0].String() != "100.64.0.2" {
		t.Errorf("spec = %+v", spec)
	}

	config, err := w.PeerConfig(t.Context(), "alice", "lan", "laptop")
	if err != nil {
		t.Fatal(err)
	}
	want := `[Interface]
# PrivateKey = (put it here: the private key that belongs to ` + key(1) + `)
Address = 100.64.0.2/32, ` + p.Status.Addresses[1] + `/128
DNS = 100.64.0.1, ` + tunnel6.Gateway + `, lan.alice.rhyzome.internal
MTU = 1420

[Peer]
PublicKey = ` + cloudtest.PublicKey + `
Endpoint = vpn.example:51820
AllowedIPs = 10.1.0.0/24, fd01::/64, 100.64.0.0/24, ` + tunnel6.CIDR + `
PersistentKeepalive = 25
`
	if !strings.HasSuffix(config, want) {
		t.Errorf("config:\n%s\nwant:\n%s", config, want)
	}

	op, err := w.DeletePeer(t.Context(), "alice", "lan", "laptop")
	if err != nil {
		t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationSucceeded {
		t.Fatalf("operation = %+v", op)
	}
	if _, ok := w.Provider.Peer(p.ID); ok {
		t.Error("the peer is still admitted")
	}
	if again := w.peer("lan", "laptop", 1); again.Status.Addresses[0] != "100.64.0.2" {
		t.Errorf("the address was not given back: %+v", again.Status)
	}
}

func TestCreatePeerRefuses(t *testing.T) {
	w := newWorld(t)
	w.Run()
	no := false
	w.network("lan", core.NetworkSpec{})
	w.network("plain", core.NetworkSpec{WireGuard: &no})
	w.peer("lan", "taken", 1)
	short := base64.StdEncoding.EncodeToString(make([]byte, 31))
	for name, c := range map[string]struct {
		network, name, key string
		reason             fault.Reason
		says               string
	}{
		"unknown network": {"moon", "p", key(2), fault.UnknownResource, "moon"},
		"taken name":      {"lan", "taken", key(2), fault.NameTaken, "name"},
		"taken key":       {"lan", "p", key(1), fault.NameTaken, "peer taken"},
		"own key":         {"lan", "p", cloudtest.PublicKey, fault.InvalidField, "/spec/public_key"},
		"zeros":           {"lan", "p", key(0), fault.InvalidField, "zeros"},
		"empty":           {"lan", "p", "", fault.InvalidField, "/spec/public_key"},
		"short":           {"lan", "p", short, fault.InvalidField, "/spec/public_key"},
		"not base64":      {"lan", "p", strings.Repeat("!", 44), fault.InvalidField, "/spec/public_key"},
		"not canonical":   {"lan", "p", key(2)[:42] + "J=", fault.InvalidField, "/spec/public_key"},
		"with newline":    {"lan", "p", key(2)[:20] + "\n" + key(2)[20:], fault.InvalidField, "/spec/public_key"},
		"no wireguard":    {"plain", "p", key(2), fault.NoEndpoint, "without WireGuard"},
		"bad name":        {"lan", "P", key(0), fault.InvalidField, "/name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.CreatePeer(t.Context(), "alice", c.network, core.New{Name: c.name}, core.PeerSpec{PublicKey: c.key})
			if fault.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("fault %s: %v; want %s saying %q", fault.ReasonOf(err), err, c.reason, c.says)
			}
		})
	}
	t.Run("no endpoint", func(t *testing.T) {
		w := newWorld(t, noEndpoint)
		w.Run()
		w.network("lan", core.NetworkSpec{})
		_, _, err := w.CreatePeer(t.Context(), "alice", "lan", core.New{Name: "p"}, core.PeerSpec{PublicKey: key(2)})
		if fault.ReasonOf(err) != fault.NoEndpoint || !strings.Contains(err.Error(), "declares no public endpoint") {
			t.Errorf("fault = %v", err)
		}
	})
	t.Run("no capability", func(t *testing.T) {
		w.Row.Status.Capabilities = nil
		w.Update(func(tx core.Tx) error { return tx.Providers().Update(w.Row) })
		_, _, err := w.CreatePeer(t.Context(), "alice", "lan", core.New{Name: "p"}, core.PeerSpec{PublicKey: key(2)})
		if fault.ReasonOf(err) != fault.NoCapability {
			t.Errorf("fault = %v", err)
		}
	})
}

func TestPeersKeepTheirNetwork(t *testing.T) {
	w := newWorld(t)
	w.Run()
	w.network("lan", core.NetworkSpec{})
	w.peer("lan", "laptop", 1)
	if _, err := w.Delete(t.Context(), "alice", "lan"); fault.ReasonOf(err) != fault.HasChildren || !strings.Contains(err.Error(), "peer laptop") {
		t.Errorf("fault = %v, want has_children naming the peer", err)
	}
}

func TestFailedPeerHoldsNothing(t *testing.T) {
	w := newWorld(t)
	w.Run()
	w.network("lan", core.NetworkSpec{})
	w.Provider.SetFail(func(verb, _ string) error {
		if verb == "apply peer" {
			return fault.New(fault.BackendRefused, "no")
		}
		return nil
	})
	_, op, err := w.CreatePeer(t.Context(), "alice", "lan", core.New{Name: "bad"}, core.PeerSpec{PublicKey: key(1)})
	if err != nil {
		t.Fatal(err)
	}
	if op = w.Wait(op); op.State != core.OperationFailed {
		t.Fatalf("operation = %+v", op)
	}
	if p, err := w.GetPeer(t.Context(), "alice", "lan", "bad"); err != nil || p.Status.State != core.PeerError || len(p.Status.Addresses) != 0 {
		t.Errorf("peer = %+v, %v", p.Status, err)
	}
	if _, err := w.PeerConfig(t.Context(), "alice", "lan", "bad"); fault.ReasonOf(err) != fault.BadState {
		t.Errorf("config of a failed peer: %v", err)
	}
	w.Provider.SetFail(nil)
	if p := w.peer("lan", "good", 2); p.Status.Addresses[0] != "100.64.0.2" {
		t.Errorf("the address was not given back: %+v", p.Status)
	}
}
