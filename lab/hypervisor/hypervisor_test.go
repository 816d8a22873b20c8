// SPDX-License-Identifier: Apache-2.0

package hypervisor_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/hypervisor"
	"github.com/rhyzome/rhyzome/lab/machine"
)

func TestMain(m *testing.M) {
	machine.Init()
	os.Exit(m.Run())
}

// domain boots nothing: QEMU runs, with a port in VLAN 30 and a serial console (which needs virtlogd).
const domain = `<domain type='qemu'>
  <name>NAME</name><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <interface type='bridge'><source bridge='br-rz'/><virtualport type='openvswitch'/><vlan><tag id='30'/></vlan><model type='virtio'/></interface>
    <serial type='file'><source path='/var/log/libvirt/NAME.log'/><target port='0'/></serial>
  </devices>
</domain>`

func run(t *testing.T, m *machine.Machine, name string, args ...string) string {
	t.Helper()
	out, err := m.Run(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func start(t *testing.T, spec machine.Spec, trunk *fabric.Segment) *machine.Machine {
	t.Helper()
	m, err := hypervisor.Start(t.Context(), hypervisor.Spec{Spec: spec, Trunk: trunk})
	t.Cleanup(func() {
		if err := machine.Remove(context.Background(), spec.Dir); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTwoHypervisors(t *testing.T) {
	dir := t.TempDir()
	trunk, err := fabric.StartSegment(t.Context(), "trunk", filepath.Join(dir, "trunk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { machine.Remove(context.Background(), trunk.Dir) })

	uuids := map[string]string{}
	for _, name := range []string{"hv1", "hv2"} {
		spec := machine.Spec{Name: name, Dir: filepath.Join(dir, name)}
		m := start(t, spec, trunk)
		uuid := run(t, m, "sh", "-c", `virsh capabilities | sed -n 's:.*<uuid>\(.*\)</uuid>.*:\1:p'`)
		if len(uuid) != 36 || uuids[uuid] != "" {
			t.Errorf("%s has host uuid %q, as %q has", name, uuid, uuids[uuid])
		}
		uuids[uuid] = name

		xml := filepath.Join(spec.Dir, "g.xml")
		if err := os.WriteFile(xml, []byte(strings.ReplaceAll(domain, "NAME", "guest")), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, m, "virsh", "define", xml)
		run(t, m, "virsh", "start", "guest")
		if got := run(t, m, "ovs-vsctl", "--columns=tag", "--bare", "find", "port", "tag=30"); got != "30" {
			t.Errorf("%s: ports with tag 30: %q", name, got)
		}
	}

	m, err := machine.Open(t.Context(), filepath.Join(dir, "hv1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.SignalService(t.Context(), hypervisor.LibvirtService, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := hypervisor.Ready(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := run(t, m, "virsh", "domstate", "guest"); got != "running" {
		t.Errorf("after a crash of libvirtd the guest is %q", got)
	}
	run(t, m, "virsh", "destroy", "guest")
	if got := run(t, m, "ovs-vsctl", "--columns=tag", "--bare", "find", "port", "tag=30"); got != "" {
		t.Errorf("the port is still there: %q", got)
	}

	// The machine loses power and comes back: the definition is there, the guest is not.
	if err := m.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	m = start(t, machine.Spec{Name: "hv1", Dir: m.Dir}, trunk)
	if got := run(t, m, "virsh", "domstate", "guest"); got != "shut off" {
		t.Errorf("after a power cut the guest is %q", got)
	}
}
