// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

const ownersDropIn = "tmp/dnsmasq.cfg01411c.d/rhyzome.conf"

// TestTheOwnersResolverStaysOff writes the drop-in, restarts dnsmasq for it once, repairs it, and takes it away in the end.
func TestTheOwnersResolverStaysOff(t *testing.T) {
	p, f, logged := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	want := "# rhyzome: these networks have resolvers of their own\nexcept-interface=br-rz.*\nexcept-interface=rz-*\nexcept-interface=rzw_*\n"
	if got := f.read(t, ownersDropIn); got != want {
		t.Errorf("%q", got)
	}
	applyNetwork(t, p, networkSpec(2))
	if n := f.count("dnsmasq restart"); n != 1 {
		t.Errorf("%d restarts for two networks", n)
	}
	if err := os.Remove(f.path(ownersDropIn)); err != nil { // as a restart of the router does
		t.Fatal(err)
	}
	f.hook(nil)
	for range 2 {
		if err := p.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if f.read(t, ownersDropIn) != want || f.count("dnsmasq restart") != 1 || !strings.Contains(logged.String(), "starts again") {
		t.Errorf("not repaired, or more than once: %d restarts", f.count("dnsmasq restart"))
	}
	for n := 1; n <= 2; n++ {
		remove(t, "network", p.DeleteNetwork(t.Context(), networkSpec(n).ID, progress))
	}
	if _, err := os.Stat(f.path(ownersDropIn)); !os.IsNotExist(err) {
		t.Errorf("the drop-in is still there: %v", err)
	}
}

// TestDevicesOfPreparedFabricsAreNamed lists them one by one: their pattern could hit the owner's.
func TestDevicesOfPreparedFabricsAreNamed(t *testing.T) {
	p, f, _ := newTest(t)
	spec := networkSpec(1)
	spec.Fabric = "mine"
	applyNetwork(t, p, spec)
	if got := f.read(t, ownersDropIn); !strings.Contains(got, "except-interface=br-own.121\n") || strings.Contains(got, "br-own.*") {
		t.Errorf("%q", got)
	}
}

// TestADeletedNetworkLeavesNoResolverFiles removes what init script and dnsmasq wrote for it.
func TestADeletedNetworkLeavesNoResolverFiles(t *testing.T) {
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	files := []string{"tmp/dhcp.leases.rz_abcdef01", "tmp/hosts/dhcp.rz_abcdef01_dns", "var/etc/dnsmasq.conf.rz_abcdef01_dns"}
	for _, dir := range []string{"tmp/hosts", "tmp/dnsmasq.rz_abcdef01_dns.d"} {
		if err := os.MkdirAll(f.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range append(files, "tmp/hosts/dhcp.cfg01411c") {
		f.write(t, path, "x")
	}
	remove(t, "network", p.DeleteNetwork(t.Context(), networkSpec(1).ID, progress))
	for _, path := range append(files, "tmp/dnsmasq.rz_abcdef01_dns.d") {
		if _, err := os.Stat(f.path(path)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if f.read(t, "tmp/hosts/dhcp.cfg01411c") != "x" {
		t.Error("the owner's file is gone")
	}
}

func TestOdhcpdIsToldWhereItIsEnabled(t *testing.T) {
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	if f.count("odhcpd reload") != 0 {
		t.Error("odhcpd was told though it is not enabled")
	}
	f.write(t, "etc/rc.d/S35odhcpd", "")
	applyPort(t, p, portSpec(1, 1))
	if f.count("odhcpd reload") != 1 {
		t.Error("odhcpd was not told")
	}
}

// TestTheInitScript boots a router, with fakes of what OpenWrt's rc.common gives a script: the drop-in is there before
// dnsmasq, whoever else is not.
func TestTheInitScript(t *testing.T) {
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	script, err := os.ReadFile("init/rhyzome-resolver")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/etc/rhyzome", f.path("etc/rhyzome"), "/tmp/dnsmasq", f.path("tmp/dnsmasq")).Replace(string(script))
	const fakes = `
config_load() { true; }
config_foreach() { for c in cfg01411c rz_abcdef01_dns named; do "$1" $c; done; }
config_get() { eval "$1="; [ "$2" != named ] || eval "$1=$OWN,*.conf"; }
OWN=`
	want := f.read(t, ownersDropIn)
	if err := os.RemoveAll(f.path("tmp")); err != nil {
		t.Fatal(err)
	}
	own := f.path("own.d")
	if out, err := exec.CommandContext(t.Context(), "/bin/sh", "-euc", fakes+own+"\n"+text+"\nboot").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, path := range []string{ownersDropIn, "tmp/dnsmasq.d/rhyzome.conf", "own.d/rhyzome.conf"} {
		if f.read(t, path) != want {
			t.Errorf("%s: %q", path, f.read(t, path))
		}
	}
	if _, err := os.Stat(f.path("tmp/dnsmasq.rz_abcdef01_dns.d/rhyzome.conf")); !os.IsNotExist(err) {
		t.Errorf("our own resolver would leave our networks alone: %v", err)
	}
}

// silentDNS is a fake of a resolver that says what it is told to.
type silentDNS func() ([]netip.Addr, error)

func (d silentDNS) Lookup(context.Context, netip.Addr, string) ([]netip.Addr, error) { return d() }

func TestAwaitName(t *testing.T) {
	addr := netip.MustParseAddr("10.0.0.1")
	asked := 0
	r := &router{machine: machine{names: silentDNS(func() ([]netip.Addr, error) {
		asked++
		switch asked {
		case 1:
			return nil, os.ErrDeadlineExceeded
		case 2:
			return nil, nil
		}
		return []netip.Addr{addr}, nil
	})}}
	if err := r.awaitName(t.Context(), addr, "x", []netip.Addr{addr}); err != nil || asked != 3 {
		t.Errorf("%v after %d questions", err, asked)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	if err := r.awaitName(ctx, addr, "x", nil); fault.CodeOf(err) != fault.DeadlineExceeded {
		t.Errorf("a name that stays: %v", err)
	}
	err := await(t.Context(), time.Millisecond, func(context.Context) error { return fault.New(fault.BackendRefused, "no") })
	if fault.ReasonOf(err) != fault.BackendRefused {
		t.Errorf("time is up: %v", err)
	}
}
