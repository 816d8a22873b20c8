// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/hypervisor"
	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// TestHostLosesPower ends everything on the machine at once and starts its daemons again, as after a power cut: what was
// to run runs, without the provider.
func TestHostLosesPower(t *testing.T) {
	p := newProvider(t)
	image := emptyDisk(t, p)
	// The first takes the first network card's name, so that the second's is another after the restart.
	deleted, running, halted := smallSpec(image, 50), smallSpec(image, 50), smallSpec(image, 50)
	halted.Power = provider.PowerStopped
	removeAtEnd(t, deleted.ID)
	removeAtEnd(t, running.ID)
	removeAtEnd(t, halted.ID)
	apply(t, p, deleted)
	apply(t, p, running)
	apply(t, p, halted)
	if err := p.DeleteInstance(within(t, patience), deleted.ID, quiet); err != nil {
		t.Fatal(err)
	}

	services, err := machine.Inside().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stopped := map[string]machine.Service{}
	for _, s := range services {
		if err := machine.Inside().Signal(t.Context(), s.Name, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := machine.Inside().Stop(t.Context(), s.Name); err != nil {
			t.Fatal(err)
		}
		s.Respawn = true
		stopped[s.Name] = s.Service
	}
	guest, err := strconv.Atoi(strings.TrimSpace(run(t, "pgrep", "-f", "guest=rz-"+running.ID)))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(guest, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "QEMU ends", func() bool { return unix.Kill(guest, 0) != nil })
	for _, dir := range []string{"/run/libvirt", "/run/openvswitch"} { // gone with memory
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("/run/openvswitch", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fabric.DatabaseService, fabric.SwitchService, hypervisor.LogService, hypervisor.LibvirtService} {
		if err := machine.Inside().Start(t.Context(), stopped[name]); err != nil {
			t.Fatal(err)
		}
	}

	eventually(t, patience, "the guest runs again", func() bool { return strings.Contains(stateOf(running.ID), "running") })
	eventually(t, patience, "the provider is connected", func() bool { return p.Check(t.Context()) == nil })
	watch(t, p)
	expectTraces(t, running.ID, whole)
	expectTraces(t, halted.ID, traces{Domains: 1, Directories: 1})
	for _, id := range []string{running.ID, halted.ID} {
		if i, err := p.GetInstance(t.Context(), id); err != nil || i.Phase != provider.PhaseReady {
			t.Errorf("GetInstance = %+v, %v", i, err)
		}
	}
}

// stateOf is what virsh says of a domain, if libvirtd answers.
func stateOf(id string) string {
	out, err := exec.Command("virsh", "domstate", id).Output()
	if err != nil {
		return ""
	}
	return string(out)
}
