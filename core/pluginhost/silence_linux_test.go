// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/inventory"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// inNamespace tells this test's program that it has a network of its own, and where the provider's program is.
const inNamespace = "RHYZOME_TEST_IN_NAMESPACE"

// runInNamespace runs the test again, in a program that has a network namespace of its own: what it makes there ends
// with it. It needs no root.
func runInNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), inNamespace+"="+buildMemory(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if id := os.Geteuid(); id != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: id, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
}

// farSide is a network namespace at the other end of a cable.
type farSide struct {
	t  *testing.T
	ns netns.NsHandle
}

const nearAddress, farAddress = "198.18.255.1", "198.18.255.2"

// newFarSide lays the cable.
func newFarSide(t *testing.T) farSide {
	t.Helper()
	f := farSide{t: t}
	f.inside(func() error { return nil }) // which makes the namespace
	t.Cleanup(func() { f.ns.Close() })
	cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near"}, PeerName: "far", PeerNamespace: netlink.NsFd(f.ns)}
	if err := netlink.LinkAdd(cable); err != nil {
		t.Fatal(err)
	}
	near, err := netlink.NewHandle()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := netlink.NewHandleAt(f.ns)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	raise(t, near, "lo", "")
	raise(t, near, "near", nearAddress)
	raise(t, far, "far", farAddress)
	return f
}

func raise(t *testing.T, h *netlink.Handle, name, address string) {
	t.Helper()
	link, err := h.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	if address == "" {
		return
	}
	a := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(30, 32)}}
	if err := h.AddrAdd(link, a); err != nil {
		t.Fatal(err)
	}
}

// inside calls do on a thread of the far side; what that starts stays there.
func (f *farSide) inside(do func() error) {
	f.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := netns.Get()
	if err != nil {
		f.t.Fatal(err)
	}
	defer here.Close()
	if f.ns == 0 {
		f.ns, err = netns.New()
	} else {
		err = netns.Set(f.ns)
	}
	if err == nil {
		err = do()
	}
	if back := netns.Set(here); back != nil {
		panic(back) // the thread is lost
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// nft runs a program of nftables on both sides.
func (f *farSide) nft(program string) {
	f.t.Helper()
	load := func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(program)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	}
	if err := load(); err != nil {
		f.t.Fatal(err)
	}
	f.inside(load)
}

// TestASilentLinkIsNoticed drops every packet between a core and a provider: no end closes anything. The core must tell
// by the heartbeats, which come every 2 s as in production, and take the provider back when the link is.
func TestASilentLinkIsNoticed(t *testing.T) {
	t.Parallel()
	path := os.Getenv(inNamespace)
	if path == "" {
		runInNamespace(t)
		return
	}
	far := newFarSide(t)
	r := newRigOn(t, 0, nearAddress+":0", func(o *pluginhost.Options) {
		o.Observer = inventory.New(o.Store, func() {}, o.Now, newID, o.Log)
		o.Heartbeat = 2 * time.Second
	})
	_, config := stateDir(t, 0)
	p := r.joinByCommand(path, config, "r1")
	far.inside(func() error { startProcess(t, path, "attach", "--config", config); return nil })
	r.waitReady(p.ID)
	r.network(p.ID)
	if got := r.state(p.ID); got.State != core.ProviderReady || !strings.HasPrefix(got.Address, farAddress) {
		t.Fatalf("attached, it is %+v", got)
	}

	far.nft("table inet cut { chain in { type filter hook input priority 0; iifname { near, far } drop; }; }")
	r.log.wait(t, 1, "provider detached", "silent: 3 heartbeats of 2s were missed")
	r.awaitState(p.ID, core.ProviderUnreachable)
	_, err := r.host.Network(p.ID)
	wantReason(t, err, fault.ProviderAway)

	far.nft("delete table inet cut")
	r.waitReady(p.ID)
	r.awaitState(p.ID, core.ProviderReady)
	if n := r.log.count("provider detached"); n != 1 {
		t.Errorf("detached %d times", n)
	}
}

func (r *rig) state(id string) core.ProviderStatus {
	r.t.Helper()
	var p core.Provider
	err := r.store.View(r.t.Context(), func(tx core.Tx) (err error) {
		p, err = tx.Providers().Get(id)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Status
}

func (r *rig) awaitState(id string, want core.ProviderState) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); r.state(id).State != want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("the provider is %+v, not %s", r.state(id), want)
		}
	}
}
