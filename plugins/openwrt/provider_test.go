// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

var update = flag.Bool("update", false, "write the golden files anew")

// everything is two networks with ports and peers.
func everything(t *testing.T, p *Provider) {
	for n := 1; n <= 2; n++ {
		applyNetwork(t, p, networkSpec(n))
		for i := 1; i <= 2; i++ {
			applyPort(t, p, portSpec(n, i))
			applyPeer(t, p, peerSpec(n, i))
		}
	}
}

func TestGoldenFiles(t *testing.T) {
	p, f, _ := newTest(t)
	everything(t, p)
	for _, name := range []string{fileNetwork, fileDHCP, fileFirewall} {
		got := f.read(t, "etc/config/"+name)
		if !strings.HasPrefix(got, owners(t, name)) {
			t.Errorf("%s: the owner's text changed", name)
		}
		golden := "testdata/golden/" + name
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestLife(t *testing.T) {
	p, f, _ := newTest(t)
	before := f.state(t)
	everything(t, p)

	n, err := p.GetNetwork(t.Context(), networkSpec(1).ID)
	if err != nil || n.Phase != provider.PhaseReady || n.SpecDigest != networkSpec(1).SpecDigest || n.BackendRef != "rz_abcdef01" {
		t.Errorf("network: %+v, %v", n, err)
	}
	device, err := f.Device("rzw_abcdef01")
	if err != nil || device.PublicKey.String() != n.WireGuardPublicKey || len(device.Peers) != 2 {
		t.Errorf("device: %+v, %v", device, err)
	}
	ports, err := p.ListPorts(t.Context())
	if err != nil || len(ports) != 4 || ports[0].Phase != provider.PhaseReady || ports[0].NetworkID != networkSpec(1).ID {
		t.Errorf("ports: %+v, %v", ports, err)
	}
	peers, err := p.ListPeers(t.Context())
	if err != nil || len(peers) != 4 || peers[3].Phase != provider.PhaseReady || peers[3].NetworkID != networkSpec(2).ID {
		t.Errorf("peers: %+v, %v", peers, err)
	}
	if err := p.DeleteNetwork(t.Context(), networkSpec(1).ID, progress); fault.ReasonOf(err) != fault.InUse {
		t.Errorf("delete of a network in use: %v", err)
	}
	for n := 1; n <= 2; n++ {
		for i := 1; i <= 2; i++ {
			remove(t, "port", p.DeletePort(t.Context(), portSpec(n, i).ID, progress))
			remove(t, "peer", p.DeletePeer(t.Context(), peerSpec(n, i).ID, progress))
		}
		remove(t, "network", p.DeleteNetwork(t.Context(), networkSpec(n).ID, progress))
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Errorf("something is left:\n%s", diff)
	}
	remove(t, "what is not there", p.DeleteNetwork(t.Context(), networkSpec(1).ID, progress))
	if _, err := p.GetPort(t.Context(), portSpec(1, 1).ID); fault.ReasonOf(err) != fault.NoSuchObject {
		t.Errorf("get of a deleted port: %v", err)
	}
}

func remove(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("delete %s: %s", what, explain(err))
	}
}
