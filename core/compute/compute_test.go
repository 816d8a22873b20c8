// SPDX-License-Identifier: Apache-2.0

package compute_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/compute"
	"github.com/rhyzome/rhyzome/core/network"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// world is a cloud with the use cases of instances: project alice with network lan, images disk, kernel and initrd,
// hosts hv1 and hv2. Nothing runs operations yet.
type world struct {
	*cloudtest.Cloud
	*compute.Service
	networks *network.Service
	t        testing.TB
	alice    core.Project
}

// content gives each image the content that cloudtest means.
type content struct{}

func (content) Open(_ context.Context, sha256 string, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(sha256[offset:])), nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	c := cloudtest.New(t)
	w := &world{Cloud: c, t: t}
	w.networks = network.New(c.Store, c.Provider, c.Runner, cloudtest.Now, cloudtest.NewID, rand.Reader)
	w.Service = compute.New(c.Store, c.Provider, c.Runner, w.networks, content{}, cloudtest.Now, cloudtest.NewID)
	c.Runner.Register(w.plans()...)
	w.alice = c.AddProject("alice")
	c.AddFabric("lab", 100, 199)
	c.AddRouter("rt")
	c.AddHost("hv1")
	c.AddHost("hv2")
	c.AddImage(w.alice, "disk", "qcow2")
	c.AddImage(w.alice, "kernel", "kernel")
	c.AddImage(w.alice, "initrd", "initrd")
	w.network("lan", core.NetworkSpec{IPv4CIDR: "10.1.0.0/24", IPv6CIDR: "fd01::/64"})
	return w
}

func (w *world) plans() []operation.Plan { return append(w.networks.Plans(), w.Plans()...) }

// carryOut runs an operation with a runner that stops afterwards.
func (w *world) carryOut(op core.Operation) core.Operation {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	r := operation.NewRunner(w.Store, cloudtest.Now, cloudtest.NewID, w.Log)
	r.Register(w.plans()...)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	op = w.Wait(op)
	cancel()
	if err := <-ended; err != nil {
		w.t.Fatal(err)
	}
	return op
}

func (w *world) network(name string, spec core.NetworkSpec) {
	w.t.Helper()
	_, op, err := w.networks.Create(w.t.Context(), "alice", core.New{Name: name}, spec)
	if err != nil {
		w.t.Fatal(err)
	}
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		w.t.Fatalf("network: %+v", op)
	}
}

// create has an instance accepted.
func (w *world) create(name string, spec core.InstanceSpec) (core.Instance, core.Operation) {
	w.t.Helper()
	i, op, err := w.Create(w.t.Context(), "alice", core.New{Name: name}, spec)
	if err != nil {
		w.t.Fatal(err)
	}
	return i, op
}

// make makes an instance.
func (w *world) make(name string, spec core.InstanceSpec) core.Instance {
	w.t.Helper()
	_, op := w.create(name, spec)
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		w.t.Fatalf("instance: %+v: %+v", op, op.Error)
	}
	return w.get(name)
}

func (w *world) get(name string) core.Instance {
	w.t.Helper()
	i, err := w.Get(w.t.Context(), "alice", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) host(ref string) (h core.Host) {
	w.t.Helper()
	w.View(func(tx core.Tx) (err error) {
		h, err = core.FindHost(tx, ref)
		return err
	})
	return h
}

func onLan(spec core.InstanceSpec) core.InstanceSpec {
	spec.Networks = []core.Attachment{{Network: "lan"}}
	if spec.Image == "" {
		spec.Image = "disk"
	}
	return spec
}

func TestCreate(t *testing.T) {
	w := newWorld(t)
	spec := onLan(core.InstanceSpec{CloudInit: &core.CloudInit{}})
	i, op := w.create("web", spec)
	if i.Status.State != core.InstanceBuilding || i.Status.Operation != op.ID || i.Status.HostName != "hv1" || i.Spec.Power != "running" || i.Spec.DiskBytes != 1<<20 {
		t.Errorf("instance = %+v", i)
	}
	if len(i.Status.Ports) != 1 {
		t.Fatalf("ports = %+v", i.Status.Ports)
	}
	p := i.Status.Ports[0]
	if !slices.Equal(p.Addresses, []string{"10.1.0.2", "fd01::10"}) || p.DNSName != "web.lan.alice.rhyzome.internal" || !strings.HasPrefix(p.MAC, "52:54:00:") {
		t.Errorf("port = %+v", p)
	}
	if h := w.host("hv1"); h.Allocated["vcpus"] != 1 || h.Allocated["memory_bytes"] != 512<<20 || h.Allocated["disk_bytes"] != 1<<20 {
		t.Errorf("allocated = %v", h.Allocated)
	}
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		t.Fatalf("operation = %+v", op)
	}
	var steps []string
	for _, s := range op.Steps {
		steps = append(steps, s.Name)
	}
	if got := strings.Join(steps, ", "); got != "push image, create ports, create instance" {
		t.Errorf("steps = %s", got)
	}
	after := w.get("web")
	if after.Status.State != core.InstanceRunning || after.Status.Operation != "" || after.Status.Ports[0].MAC != p.MAC {
		t.Errorf("instance = %+v", after.Status)
	}
	made, ok := w.Provider.Instance(i.ID)
	if !ok || made.HostID != "machine-hv1" || made.Project != "alice" || made.Generation != 1 || made.Power != "running" || made.Image.SHA256 != "sha256 of disk" {
		t.Errorf("spec = %+v", made)
	}
	if nic := made.NICs[0]; nic.PortID != p.ID || nic.SegmentID != 100 || nic.Fabric != "lab" || nic.MTU != 1500 || nic.MAC != p.MAC || fmt.Sprint(nic.Addresses) != "[10.1.0.2 fd01::10]" {
		t.Errorf("nic = %+v", nic)
	}
	if lease, ok := w.Provider.Port(p.ID); !ok || lease.Hostname != "web" || lease.MAC != p.MAC || lease.InstanceID != i.ID {
		t.Errorf("lease = %+v", lease)
	}
	if got := w.Provider.Images()["sha256 of disk"]; got != "sha256 of disk" {
		t.Errorf("pushed %q", got)
	}
}

func TestCreateSpreads(t *testing.T) {
	w := newWorld(t)
	on := map[string]int{}
	for n := range 4 {
		i, _ := w.create(fmt.Sprint("i", n), onLan(core.InstanceSpec{}))
		on[i.Status.HostName]++
	}
	if on["hv1"] != 2 || on["hv2"] != 2 {
		t.Errorf("spread = %v", on)
	}
	if i, _ := w.create("pinned", onLan(core.InstanceSpec{Host: "hv2"})); i.Status.HostName != "hv2" {
		t.Errorf("pinned to hv2, is on %s", i.Status.HostName)
	}
}

func TestUnikernel(t *testing.T) {
	w := newWorld(t)
	i := w.make("uni", core.InstanceSpec{Kind: "unikernel", Image: "kernel", Initrd: "initrd", CommandLine: "dhcp && chain", Power: "stopped"})
	spec, _ := w.Provider.Instance(i.ID)
	if spec.Kind != "unikernel" || spec.Initrd == nil || spec.Initrd.SHA256 != "sha256 of initrd" || spec.CommandLine != "dhcp && chain" || spec.DiskBytes != 0 || spec.CloudInit != nil {
		t.Errorf("spec = %+v", spec)
	}
	if i.Status.State != core.InstanceStopped || len(w.Provider.Images()) != 2 || i.Status.Ports == nil {
		t.Errorf("status = %+v, images = %v", i.Status, w.Provider.Images())
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t)
	w.make("taken", onLan(core.InstanceSpec{}))
	empty := w.AddImage(w.alice, "empty", "raw")
	empty.Status = core.ImageStatus{State: core.ImageWaiting}
	w.Update(func(tx core.Tx) error { return tx.Images().Update(empty) })
	w.AddHost("full", func(h *core.Host) { h.Capacity["vcpus"] = 1 })
	w.AddHost("cordoned", func(h *core.Host) { h.Cordoned = true })
	many := make([]core.Attachment, 9)
	for i := range many {
		many[i].Network = "lan"
	}
	before := w.Provider.Has()
	for name, c := range map[string]struct {
		project, name string
		spec          core.InstanceSpec
		reason        fault.Reason
		says          string
	}{
		"project":        {"carol", "x", core.InstanceSpec{Image: "disk"}, fault.UnknownResource, "carol"},
		"taken":          {"alice", "taken", onLan(core.InstanceSpec{}), fault.NameTaken, "name"},
		"name":           {"alice", "X", core.InstanceSpec{Image: "disk"}, fault.InvalidField, "/name"},
		"no image":       {"alice", "x", core.InstanceSpec{}, fault.InvalidField, "/spec/image"},
		"unknown image":  {"alice", "x", core.InstanceSpec{Image: "moon"}, fault.InvalidField, `there is no image "moon"`},
		"not ready":      {"alice", "x", core.InstanceSpec{Image: "empty"}, fault.ImageNotReady, "upload it"},
		"kernel as disk": {"alice", "x", core.InstanceSpec{Image: "kernel"}, fault.InvalidField, "needs qcow2 or raw"},
		"disk as kernel": {"alice", "x", core.InstanceSpec{Kind: "unikernel", Image: "disk"}, fault.InvalidField, "needs a kernel"},
		"disk as initrd": {"alice", "x", core.InstanceSpec{Kind: "unikernel", Image: "kernel", Initrd: "disk"}, fault.InvalidField, "/spec/initrd"},
		"kind":           {"alice", "x", core.InstanceSpec{Kind: "pod", Image: "disk"}, fault.InvalidField, "/spec/kind"},
		"vcpus":          {"alice", "x", core.InstanceSpec{Image: "disk", VCPUs: 257}, fault.InvalidField, "/spec/vcpus"},
		"memory":         {"alice", "x", core.InstanceSpec{Image: "disk", MemoryBytes: 1}, fault.InvalidField, "/spec/memory_bytes"},
		"small disk":     {"alice", "x", core.InstanceSpec{Image: "disk", DiskBytes: 1}, fault.InvalidField, "/spec/disk_bytes"},
		"unikernel disk": {"alice", "x", core.InstanceSpec{Kind: "unikernel", Image: "kernel", DiskBytes: 1 << 30}, fault.InvalidField, "/spec/disk_bytes"},
		"vm cmdline":     {"alice", "x", core.InstanceSpec{Image: "disk", CommandLine: "x"}, fault.InvalidField, "/spec/command_line"},
		"cmdline lines":  {"alice", "x", core.InstanceSpec{Kind: "unikernel", Image: "kernel", CommandLine: "a\nb"}, fault.InvalidField, "/spec/command_line"},
		"power":          {"alice", "x", core.InstanceSpec{Image: "disk", Power: "paused"}, fault.InvalidField, "/spec/power"},
		"network":        {"alice", "x", core.InstanceSpec{Image: "disk", Networks: []core.Attachment{{Network: "lan"}, {Network: "moon"}}}, fault.InvalidField, "/spec/networks/1/network"},
		"twice":          {"alice", "x", core.InstanceSpec{Image: "disk", Networks: []core.Attachment{{Network: "lan"}, {Network: "lan"}}}, fault.InvalidField, "twice"},
		"too many":       {"alice", "x", core.InstanceSpec{Image: "disk", Networks: many}, fault.InvalidField, "at most 8"},
		"host":           {"alice", "x", core.InstanceSpec{Image: "disk", Host: "moon"}, fault.InvalidField, "/spec/host"},
		"ssh key":        {"alice", "x", core.InstanceSpec{Image: "disk", CloudInit: &core.CloudInit{SSHKeys: []string{goodKey, "ssh-rsa AAAA"}}}, fault.InvalidField, "/spec/cloud_init/ssh_keys/1"},
		"user data":      {"alice", "x", core.InstanceSpec{Image: "disk", CloudInit: &core.CloudInit{UserData: strings.Repeat("x", 65537)}}, fault.InvalidField, "/spec/cloud_init/user_data"},
		"pinned to full": {"alice", "x", core.InstanceSpec{Image: "disk", Host: "full", VCPUs: 2}, fault.NoHost, "has 1 of 1 vcpus free, 2 needed"},
		"pinned to cord": {"alice", "x", core.InstanceSpec{Image: "disk", Host: "cordoned"}, fault.NoHost, "is cordoned"},
		"all at once":    {"alice", "X", core.InstanceSpec{Kind: "pod", Image: "moon", Host: "moon", Power: "x", VCPUs: -1, MemoryBytes: -1, Networks: []core.Attachment{{Network: "moon"}}}, fault.InvalidField, "/spec/host"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.Create(t.Context(), c.project, core.New{Name: c.name}, c.spec)
			if fault.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("fault %s: %v; want %s saying %q", fault.ReasonOf(err), err, c.reason, c.says)
			}
			if got := len(fault.Of(err).Fields); name == "all at once" && got != 8 {
				t.Errorf("%d fields: %v; want 8", got, fault.Of(err).Fields)
			}
		})
	}
	w.View(func(tx core.Tx) error {
		instances, err := tx.Instances().Find(core.Query{})
		if len(instances) != 1 {
			t.Errorf("%d instances, want the one that is good", len(instances))
		}
		ports, err2 := tx.Ports().Find(core.Query{})
		if len(ports) != 1 || err2 != nil {
			t.Errorf("%d ports, want one", len(ports))
		}
		return err
	})
	if !slices.Equal(before, w.Provider.Has()) {
		t.Error("something was made")
	}
}

func TestCreateOnABuildingNetwork(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.networks.Create(t.Context(), "alice", core.New{Name: "new"}, core.NetworkSpec{}); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.Create(t.Context(), "alice", core.New{Name: "x"}, core.InstanceSpec{Image: "disk", Networks: []core.Attachment{{Network: "new"}}})
	if fault.ReasonOf(err) != fault.ResourceBusy || !strings.Contains(err.Error(), "network.create") {
		t.Errorf("fault = %v, want resource_busy naming the operation", err)
	}
}

func TestFailedCreateHoldsNothing(t *testing.T) {
	w := newWorld(t)
	w.Provider.SetFail(func(verb, _ string) error {
		if verb == "apply instance" {
			return fault.New(fault.NoCapacity, "the disk is full")
		}
		return nil
	})
	before := w.Provider.Has()
	_, op := w.create("bad", onLan(core.InstanceSpec{}))
	if op = w.carryOut(op); op.State != core.OperationFailed || op.Error.Code != string(fault.NoCapacity) {
		t.Fatalf("operation = %+v", op)
	}
	i := w.get("bad")
	if i.Status.State != core.InstanceError || i.Status.Message != "the disk is full" || i.Status.Host != "" || len(i.Status.Ports) != 0 {
		t.Errorf("status = %+v", i.Status)
	}
	if got := w.Provider.Has(); !slices.Equal(got, before) {
		t.Errorf("left behind: %v", got)
	}
	if h := w.host("hv1"); h.Allocated["vcpus"] != 0 {
		t.Errorf("allocated = %v", h.Allocated)
	}
	w.Provider.SetFail(nil)
	if i := w.make("good", onLan(core.InstanceSpec{})); i.Status.Ports[0].Addresses[0] != "10.1.0.2" {
		t.Errorf("the address was not given back: %+v", i.Status.Ports[0])
	}
	if _, err := w.Start(t.Context(), "alice", "bad"); fault.ReasonOf(err) != fault.BadState {
		t.Errorf("start of a failed one: %v, want bad_state", err)
	}
	w.Provider.SetAway(true)
	op, err := w.Delete(t.Context(), "alice", "bad")
	if err != nil {
		t.Fatal(err)
	}
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		t.Errorf("delete = %+v", op)
	}
}

func TestDelete(t *testing.T) {
	w := newWorld(t)
	before := w.Provider.Has()
	w.make("web", onLan(core.InstanceSpec{}))
	if _, err := w.networks.Delete(t.Context(), "alice", "lan"); fault.ReasonOf(err) != fault.HasChildren || !strings.Contains(err.Error(), "instance web") {
		t.Errorf("network delete = %v, want has_children naming the instance", err)
	}
	op, err := w.Delete(t.Context(), "alice", "web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Delete(t.Context(), "alice", "web"); fault.ReasonOf(err) != fault.ResourceBusy {
		t.Errorf("second delete = %v, want resource_busy", err)
	}
	if i := w.get("web"); i.Status.State != core.InstanceDeleting {
		t.Errorf("state = %s", i.Status.State)
	}
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		t.Fatalf("operation = %+v", op)
	}
	if _, err := w.Get(t.Context(), "alice", "web"); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("the row is still there: %v", err)
	}
	if h := w.host("hv1"); h.Allocated["vcpus"] != 0 || !slices.Equal(before, w.Provider.Has()) {
		t.Errorf("allocated = %v, provider has %v", h.Allocated, w.Provider.Has())
	}
}

func TestImageIsPushedAgain(t *testing.T) {
	w := newWorld(t)
	w.make("web", onLan(core.InstanceSpec{Power: "stopped"}))
	w.Provider.DropImages()
	op, err := w.Start(t.Context(), "alice", "web")
	if err != nil {
		t.Fatal(err)
	}
	if op = w.carryOut(op); op.State != core.OperationSucceeded {
		t.Errorf("operation = %+v", op)
	}
}

// A provider that takes no images may know the content by itself, or need none; or it misses it, and nobody can help.
func TestProviderThatTakesNoImages(t *testing.T) {
	for missing, want := range map[bool]core.OperationState{false: core.OperationSucceeded, true: core.OperationFailed} {
		w := newWorld(t)
		w.make("first", onLan(core.InstanceSpec{})) // so that the content is known
		w.Provider.SetFail(func(verb, _ string) error {
			switch {
			case verb == "push image":
				return fault.New(fault.NoCapability, "provider hv1 does not offer images")
			case verb == "apply instance" && missing:
				return fault.New(fault.ImageMissing, "what image?")
			}
			return nil
		})
		_, op := w.create("web", onLan(core.InstanceSpec{}))
		if op = w.carryOut(op); op.State != want {
			t.Errorf("missing %v: operation = %+v", missing, op)
		}
		if missing && (op.Error == nil || op.Error.Code != string(fault.NoCapability)) {
			t.Errorf("error = %+v", op.Error)
		}
	}
}

// With no provider within reach the request is accepted: its operation says what it waits for, and goes on.
func TestCreateWithoutProviders(t *testing.T) {
	w := newWorld(t)
	w.Run()
	w.Provider.SetAway(true)
	w.Update(func(tx core.Tx) error {
		for _, name := range []string{"hv1", "hv2"} {
			h, err := core.FindHost(tx, name)
			if err != nil {
				return err
			}
			h.State = core.PlaceUnreachable
			if err := tx.Hosts().Update(h); err != nil {
				return err
			}
		}
		return nil
	})
	_, op := w.create("web", onLan(core.InstanceSpec{}))
	op = w.WaitFor(op, func(o core.Operation) bool { return o.State == core.OperationWaiting })
	if !strings.Contains(op.WaitingFor, "not attached") {
		t.Errorf("waits for %q", op.WaitingFor)
	}
	w.Provider.SetAway(false)
	w.Runner.Wake()
	if op = w.Wait(op); op.State != core.OperationSucceeded {
		t.Errorf("operation = %+v", op)
	}
}
