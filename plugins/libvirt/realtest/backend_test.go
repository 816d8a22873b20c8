// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/hypervisor"
	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// daemon sends a signal to libvirtd.
func daemon(t *testing.T, sig unix.Signal) {
	t.Helper()
	if err := machine.Inside().Signal(t.Context(), hypervisor.LibvirtService, sig); err != nil {
		t.Fatal(err)
	}
}

func TestLibvirtdIsKilled(t *testing.T) {
	p := newProvider(t)
	spec := smallSpec(emptyDisk(t, p), 30)
	removeAtEnd(t, spec.ID)
	apply(t, p, spec)
	process := run(t, "pgrep", "-f", "guest=rz-"+spec.ID)
	_, lost := watch(t, p)

	daemon(t, unix.SIGKILL)
	select {
	case err := <-lost:
		expectReason(t, err, fault.BackendDown)
	case <-within(t, patience).Done():
		t.Fatal("Watch did not notice")
	}
	expectReason(t, p.Check(t.Context()), fault.BackendDown)
	_, err := p.GetInstance(t.Context(), spec.ID)
	expectReason(t, err, fault.BackendDown)

	eventually(t, patience, "Check succeeds again", func() bool { return p.Check(t.Context()) == nil })
	i, err := p.GetInstance(t.Context(), spec.ID)
	if err != nil || i.Power != provider.PowerRunning || i.Phase != provider.PhaseReady {
		t.Errorf("GetInstance = %+v, %v", i, err)
	}
	if after := run(t, "pgrep", "-f", "guest=rz-"+spec.ID); after != process {
		t.Errorf("the guest was process %s and is %s", process, after)
	}
	apply(t, p, next(spec, provider.PowerRunning))
	expectTraces(t, spec.ID, whole)
}

func TestLibvirtdHangs(t *testing.T) {
	p := newProvider(t)
	spec := smallSpec(emptyDisk(t, p), 31)
	removeAtEnd(t, spec.ID)
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	daemon(t, unix.SIGSTOP)
	stopped := true
	resume := func() {
		if stopped {
			daemon(t, unix.SIGCONT)
			stopped = false
		}
	}
	defer resume()

	began := time.Now()
	expectReason(t, p.Check(within(t, time.Second)), fault.BackendDown)
	_, err := p.ApplyInstance(within(t, time.Second), spec, quiet)
	expectReason(t, err, fault.Timeout)
	// The call that hangs has its turn still: a Delete does not overtake it.
	expectReason(t, p.DeleteInstance(within(t, time.Second), spec.ID, quiet), fault.Timeout)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the calls took %v", took)
	}
	resume()
	eventually(t, patience, "Check succeeds again", func() bool { return p.Check(within(t, time.Second)) == nil })
	if err := p.DeleteInstance(within(t, patience), spec.ID, quiet); err != nil {
		t.Error(err)
	}
	expectTraces(t, spec.ID, traces{})
}

func TestForeignDomainsAreLeftAlone(t *testing.T) {
	p := newProvider(t)
	image := emptyDisk(t, p)
	id := newID()
	for _, c := range []struct{ name, title, uuid string }{
		{"with our name", "rz-" + id, newID()},
		{"with our id", "somebody-elses", id},
	} {
		t.Run(c.name, func(t *testing.T) {
			definition := filepath.Join(t.TempDir(), "foreign.xml")
			text := "<domain type='qemu'><name>" + c.title + "</name><uuid>" + c.uuid + "</uuid><memory unit='MiB'>32</memory>" +
				"<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
			if err := os.WriteFile(definition, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, "virsh", "define", definition)
			t.Cleanup(func() { run(t, "virsh", "undefine", c.title) })
			before := run(t, "virsh", "dumpxml", c.title)

			if i := listed(t, id); i != nil {
				t.Errorf("listed: %+v", i)
			}
			_, err := p.GetInstance(t.Context(), id)
			expectReason(t, err, fault.NoSuchObject)
			spec := smallSpec(image, 32)
			spec.ID = id
			_, err = p.ApplyInstance(within(t, patience), spec, quiet)
			expectReason(t, err, fault.ForeignConflict)
			_, err = p.RebootInstance(t.Context(), id, "o", true)
			expectReason(t, err, fault.NoSuchObject)
			if err := p.DeleteInstance(within(t, patience), id, quiet); err != nil {
				t.Error(err)
			}
			if after := run(t, "virsh", "dumpxml", c.title); after != before {
				t.Error("it was changed")
			}
		})
	}
}

func TestListHosts(t *testing.T) {
	hosts, err := newProvider(t).ListHosts(t.Context())
	if err != nil || len(hosts) != 1 {
		t.Fatalf("ListHosts = %+v, %v", hosts, err)
	}
	h := hosts[0]
	if h.ID != "hv-1" || h.Name != "hv" || h.Architecture != "x86_64" || len(h.Fabrics) != 1 || h.Fabrics[0] != "lan" || h.Labels["rack"] != "7" ||
		h.Capacity[provider.UnitVCPUs] < 4 || h.Capacity[provider.UnitMemoryBytes] < 1<<30 || h.Capacity[provider.UnitDiskBytes] < 1<<30 {
		t.Errorf("the host: %+v", h)
	}
}

// TestLeftovers removes what others than this provider left behind.
func TestLeftovers(t *testing.T) {
	p := newProvider(t)
	spec := smallSpec(emptyDisk(t, p), 33)
	removeAtEnd(t, spec.ID)
	apply(t, p, spec)
	run(t, "virsh", "undefine", "rz-"+spec.ID) // it runs on, without a definition
	if i := listed(t, spec.ID); i == nil || i.Power != provider.PowerRunning {
		t.Errorf("undefined by hand: %+v", i)
	}
	run(t, "virsh", "destroy", "rz-"+spec.ID)
	i, err := p.GetInstance(t.Context(), spec.ID)
	if err != nil || i.Phase != provider.PhaseFailed || i.Failure.Reason != fault.Interrupted || listed(t, spec.ID) == nil {
		t.Errorf("files without a domain: %+v, %v", i, err)
	}
	port := "left-" + spec.ID[len(spec.ID)-6:]
	run(t, "ovs-vsctl", "add-port", hypervisor.Bridge, port, "--", "set", "interface", port, "type=internal", "external_ids:vm-id="+spec.ID)
	if err := p.DeleteInstance(within(t, patience), spec.ID, quiet); err != nil {
		t.Fatal(err)
	}
	expectTraces(t, spec.ID, traces{})
	if _, err := p.GetInstance(t.Context(), spec.ID); fault.ReasonOf(err) != fault.NoSuchObject {
		t.Errorf("GetInstance = %v", err)
	}
	if err := p.DeleteInstance(within(t, patience), spec.ID, quiet); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
}

// TestDefinitionsAreValid lets libvirt itself check the golden files, against its own schema.
func TestDefinitionsAreValid(t *testing.T) {
	paths, err := filepath.Glob("../testdata/domain/*.xml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// There may be no KVM here.
		emulated := strings.NewReplacer(`<domain type="kvm">`, `<domain type="qemu">`, `<cpu mode="host-model">`, `<cpu mode="maximum">`).Replace(string(text))
		definition := filepath.Join(t.TempDir(), "d.xml")
		if err := os.WriteFile(definition, []byte(emulated), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "virsh", "define", "--validate", definition)
		run(t, "virsh", "undefine", "rz-0198c0de-0000-7000-8000-000000000001")
	}
}
