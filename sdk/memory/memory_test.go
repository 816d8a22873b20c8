// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func quiet(string, int) {}

func tag() provider.Tag {
	return provider.Tag{ID: uuid.Must(uuid.NewV7()).String(), Generation: 1, SpecDigest: "sha256:1"}
}

const content = "not really a disk"

func ref(format provider.ImageFormat) provider.ImageRef {
	sum := sha256.Sum256([]byte(content))
	return provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: format, SizeBytes: int64(len(content))}
}

func instanceSpec() provider.InstanceSpec {
	return provider.InstanceSpec{
		Tag: tag(), HostID: "memory-host", Kind: provider.InstanceVM, VCPUs: 2, MemoryBytes: 1 << 30,
		Image: ref(provider.ImageRaw), Power: provider.PowerRunning, NICs: []provider.NIC{{Fabric: "fabric"}},
	}
}

func networkSpec(segment int) provider.NetworkSpec {
	return provider.NetworkSpec{
		Tag: tag(), RouterID: "memory-router", Fabric: "fabric", SegmentID: segment,
		Subnets:   []provider.Subnet{{CIDR: netip.MustParsePrefix("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.0.1")}},
		WireGuard: &provider.WireGuard{ListenPort: 51820},
	}
}

func put(t *testing.T, p *memory.Provider) {
	t.Helper()
	if _, err := p.PutImage(t.Context(), ref(provider.ImageRaw), 0, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, what string, err error, reason fault.Reason) {
	t.Helper()
	if got := fault.ReasonOf(err); got != reason {
		t.Errorf("%s: %q (%v), want %q", what, got, err, reason)
	}
}

func TestHostsSayWhatFits(t *testing.T) {
	b := memory.NewBackend()
	p := memory.New(b)
	put(t, p)
	for what, c := range map[string]struct {
		change func(*provider.InstanceSpec)
		reason fault.Reason
	}{
		"unknown host":   {func(s *provider.InstanceSpec) { s.HostID = "?" }, fault.InvalidField},
		"unknown fabric": {func(s *provider.InstanceSpec) { s.NICs[0].Fabric = "?" }, fault.InvalidField},
		"no image":       {func(s *provider.InstanceSpec) { s.Image.SHA256 = "?" }, fault.ImageMissing},
		"no initrd":      {func(s *provider.InstanceSpec) { s.Initrd = &provider.ImageRef{SHA256: "?"} }, fault.ImageMissing},
		"no vcpus":       {func(s *provider.InstanceSpec) { s.VCPUs = 65 }, fault.NoCapacity},
		"no memory":      {func(s *provider.InstanceSpec) { s.MemoryBytes = 65 << 30 }, fault.NoCapacity},
	} {
		spec := instanceSpec()
		c.change(&spec)
		_, err := p.ApplyInstance(t.Context(), spec, quiet)
		wants(t, what, err, c.reason)
	}
	if left := b.Objects(); len(left) > 0 {
		t.Errorf("refused, and yet there: %v", left)
	}
	full := instanceSpec()
	full.VCPUs = 63
	_, err := p.ApplyInstance(t.Context(), full, quiet)
	wants(t, "63 of 64", err, "")
	_, err = p.ApplyInstance(t.Context(), instanceSpec(), quiet)
	wants(t, "2 more", err, fault.NoCapacity)
	_, err = p.ApplyInstance(t.Context(), full, quiet)
	wants(t, "the same again", err, "")
}

func TestRoutersSayWhatFits(t *testing.T) {
	b := memory.NewBackend()
	router := memory.DefaultRouter()
	router.MaxNetworks = 2
	b.SetRouters(router)
	p := memory.New(b)
	apply := func(what string, s provider.NetworkSpec, reason fault.Reason) {
		t.Helper()
		_, err := p.ApplyNetwork(t.Context(), s, quiet)
		wants(t, what, err, reason)
	}
	unknown, fabric, first := networkSpec(1), networkSpec(1), networkSpec(1)
	unknown.RouterID, fabric.Fabric = "?", "?"
	apply("unknown router", unknown, fault.InvalidField)
	apply("unknown fabric", fabric, fault.InvalidField)
	apply("first", first, "")
	apply("same segment", networkSpec(1), fault.ForeignConflict)
	apply("second", networkSpec(2), "")
	apply("third of two", networkSpec(3), fault.NoCapacity)

	port := provider.PortSpec{Tag: tag(), NetworkID: "?"}
	_, err := p.ApplyPort(t.Context(), port, quiet)
	wants(t, "port without network", err, fault.NoSuchObject)
	port.NetworkID, port.Addresses = first.ID, []netip.Addr{netip.MustParseAddr("192.0.2.7")}
	_, err = p.ApplyPort(t.Context(), port, quiet)
	wants(t, "port outside the network", err, fault.InvalidField)
	port.Addresses = nil
	_, err = p.ApplyPort(t.Context(), port, quiet)
	wants(t, "port", err, "")
	wants(t, "network with a port", p.DeleteNetwork(t.Context(), first.ID, quiet), fault.InUse)
	wants(t, "delete the port", p.DeletePort(t.Context(), port.ID, quiet), "")
	wants(t, "delete the network", p.DeleteNetwork(t.Context(), first.ID, quiet), "")
}

func TestPeersStandOnAnEndpoint(t *testing.T) {
	b := memory.NewBackend()
	p := memory.New(b)
	with, without := networkSpec(1), networkSpec(2)
	without.WireGuard = nil
	made, err := p.ApplyNetwork(t.Context(), with, quiet)
	wants(t, "network", err, "")
	again, err := p.ApplyNetwork(t.Context(), with, quiet)
	if err != nil || len(made.WireGuardPublicKey) != 44 || again.WireGuardPublicKey != made.WireGuardPublicKey {
		t.Errorf("keys %q, then %q (%v)", made.WireGuardPublicKey, again.WireGuardPublicKey, err)
	}
	_, err = p.ApplyNetwork(t.Context(), without, quiet)
	wants(t, "network without endpoint", err, "")
	peer := provider.PeerSpec{Tag: tag(), NetworkID: without.ID}
	_, err = p.ApplyPeer(t.Context(), peer, quiet)
	wants(t, "peer without endpoint", err, fault.BadState)
	peer.NetworkID, peer.Addresses = with.ID, []netip.Addr{netip.MustParseAddr("192.0.2.7")}
	_, err = p.ApplyPeer(t.Context(), peer, quiet)
	wants(t, "peer outside the network", err, fault.InvalidField)
	peer.Addresses = nil
	_, err = p.ApplyPeer(t.Context(), peer, quiet)
	wants(t, "peer", err, "")
	wants(t, "handshake", b.Handshake(peer.ID, 1700000000, 10, 20), "")
	got, err := p.GetPeer(t.Context(), peer.ID)
	if err != nil || got.LastHandshake != 1700000000 || got.ReceivedBytes != 10 || got.SentBytes != 20 {
		t.Errorf("peer = %+v, %v", got, err)
	}
	wants(t, "network with a peer", p.DeleteNetwork(t.Context(), with.ID, quiet), fault.InUse)
}

func TestStateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	config := []byte(`{"state_file":"` + path + `"}`)
	first := memory.New(memory.NewBackend())
	wants(t, "configure", first.Configure(t.Context(), config), "")
	put(t, first)
	instance, network := instanceSpec(), networkSpec(1)
	_, err := first.ApplyInstance(t.Context(), instance, quiet)
	wants(t, "instance", err, "")
	made, err := first.ApplyNetwork(t.Context(), network, quiet)
	wants(t, "network", err, "")

	second := memory.New(memory.NewBackend())
	wants(t, "configure", second.Configure(t.Context(), config), "")
	if i, err := second.GetInstance(t.Context(), instance.ID); err != nil || i.Phase != provider.PhaseReady || i.Power != provider.PowerRunning {
		t.Errorf("instance = %+v, %v", i, err)
	}
	if n, err := second.GetNetwork(t.Context(), network.ID); err != nil || !cmp.Equal(n, made) {
		t.Errorf("network = %+v, %v; want %+v", n, err, made)
	}
	if i, err := second.GetImage(t.Context(), ref("").SHA256); err != nil || !i.Ready {
		t.Errorf("image = %+v, %v", i, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v); it holds private keys", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, "damaged", memory.New(memory.NewBackend()).Configure(t.Context(), config), fault.BackendDown)
}

func TestImageGoesOnInANewProcess(t *testing.T) {
	b := memory.NewBackend()
	r := ref(provider.ImageRaw)
	i, err := memory.New(b).PutImage(t.Context(), r, 0, strings.NewReader(content[:5]))
	if err != nil || i.Ready || i.OffsetBytes != 5 {
		t.Fatalf("first part = %+v, %v", i, err)
	}
	i, err = memory.New(b).PutImage(t.Context(), r, 5, strings.NewReader(content[5:]))
	if err != nil || !i.Ready {
		t.Errorf("second part = %+v, %v", i, err)
	}
}

func TestHalfMadeIsFound(t *testing.T) {
	b := memory.NewBackend()
	p := memory.New(b)
	put(t, p)
	steps := []string{memory.StepDisk, memory.StepDefine, memory.StepPower}
	for _, step := range steps {
		spec := instanceSpec()
		b.Inject(memory.Fault{Verb: "ApplyInstance", Step: step, Times: 1, Err: fault.New(fault.BackendRefused, "no")})
		_, err := p.ApplyInstance(t.Context(), spec, quiet)
		wants(t, step, err, fault.BackendRefused)
		i, err := p.GetInstance(t.Context(), spec.ID)
		if err != nil || i.Phase != provider.PhaseFailed || fault.ReasonOf(i.Failure) != fault.Interrupted || i.SpecDigest != spec.SpecDigest {
			t.Errorf("%s: Get = %+v, %v", step, i, err)
		}
		_, err = p.ApplyInstance(t.Context(), spec, quiet)
		wants(t, "again", err, "")
		b.Inject(memory.Fault{Verb: "DeleteInstance", Step: memory.StepRemove, Times: 1, Err: fault.New(fault.BackendRefused, "no")})
		wants(t, "delete", p.DeleteInstance(t.Context(), spec.ID, quiet), fault.BackendRefused)
		if i, err := p.GetInstance(t.Context(), spec.ID); err != nil || i.Phase != provider.PhaseFailed {
			t.Errorf("half deleted: Get = %+v, %v", i, err)
		}
		wants(t, "delete", p.DeleteInstance(t.Context(), spec.ID, quiet), "")
	}
	if left := b.Objects(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFaults(t *testing.T) {
	b := memory.NewBackend()
	p := memory.New(b)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	remove := b.Inject(memory.Fault{Verb: "Check", Hang: make(chan struct{})})
	wants(t, "hang", p.Check(ctx), fault.Timeout)
	remove()
	remove = b.Inject(memory.Fault{Verb: "Check", Delay: time.Hour})
	wants(t, "delay", p.Check(ctx), fault.Timeout)
	remove()
	b.Inject(memory.Fault{Verb: "Check", Times: 2, Err: fault.New(fault.BackendDenied, "no")})
	wants(t, "first", p.Check(t.Context()), fault.BackendDenied)
	wants(t, "second", p.Check(t.Context()), fault.BackendDenied)
	wants(t, "third", p.Check(t.Context()), "")
	b.SetDown(true)
	wants(t, "down", p.Check(t.Context()), fault.BackendDown)
	b.SetDown(false)
	b.Inject(memory.Fault{Verb: "ListHosts", Panic: true})
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_, err := p.ListHosts(t.Context())
	t.Errorf("no panic, but %v", err)
}

func TestWatch(t *testing.T) {
	b := memory.NewBackend()
	p := memory.New(b)
	put(t, p)
	spec := instanceSpec()
	_, err := p.ApplyInstance(t.Context(), spec, quiet)
	wants(t, "apply", err, "")
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var seen []string
	ended := make(chan error, 1)
	listening := make(chan struct{})
	go func() {
		close(listening)
		ended <- p.Watch(ctx, func(k provider.Kind, id string) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, string(k)+" "+id)
		})
	}()
	<-listening
	heard := func() bool {
		wants(t, "shut down", b.ShutDown(spec.ID), "")
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(seen, "instance "+spec.ID)
	}
	for deadline := time.Now().Add(10 * time.Second); !heard(); {
		if time.Now().After(deadline) {
			t.Fatal("no event")
		}
	}
	if i, err := p.GetInstance(t.Context(), spec.ID); err != nil || i.Power != provider.PowerStopped || i.Phase != provider.PhaseReady {
		t.Errorf("Get = %+v, %v", i, err)
	}
	_, err = p.RebootInstance(t.Context(), spec.ID, "operation", true)
	wants(t, "reboot of what is stopped", err, fault.BadState)
	wants(t, "shut down of nothing", b.ShutDown("?"), fault.NoSuchObject)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch ended with %v", err)
	}
}
