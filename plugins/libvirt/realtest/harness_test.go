// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"libvirt.org/go/libvirtxml"

	"github.com/rhyzome/rhyzome/lab/guest"
	"github.com/rhyzome/rhyzome/lab/hypervisor"
	"github.com/rhyzome/rhyzome/plugins/libvirt"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// patience is how long guests may take on a busy machine without KVM.
const patience = 2 * time.Minute

// settings are the provider's configuration.
const settings = `{
	"host": {"id": "hv-1", "labels": {"rack": "7"}},
	"fabrics": {"lan": {"kind": "openvswitch", "bridge": "` + hypervisor.Bridge + `"}}
}`

// newProvider returns a provider that is like one in a new process.
func newProvider(t *testing.T) *libvirt.Provider {
	t.Helper()
	p := libvirt.New()
	configure(t, p, settings)
	return p
}

func configure(t *testing.T, p *libvirt.Provider, text string) {
	t.Helper()
	if err := p.Configure(t.Context(), json.RawMessage(text)); err != nil {
		t.Fatal(err)
	}
}

// within bounds what a test waits for.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func quiet(string, int) {}

// push stores a file's content with the provider.
func push(t *testing.T, p *libvirt.Provider, path string, format provider.ImageFormat) provider.ImageRef {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ref := provider.ImageRef{SHA256: fmt.Sprintf("%x", sha256.Sum256(content)), Format: format, SizeBytes: int64(len(content))}
	image, err := p.PutImage(t.Context(), ref, 0, strings.NewReader(string(content)))
	if err != nil || !image.Ready {
		t.Fatalf("PutImage = %+v, %v", image, err)
	}
	return ref
}

func pushVM(t *testing.T, p *libvirt.Provider) provider.ImageRef {
	t.Helper()
	return push(t, p, os.Getenv(diskVariable), provider.ImageQCOW2)
}

func pushUnikernel(t *testing.T, p *libvirt.Provider) provider.ImageRef {
	t.Helper()
	return push(t, p, os.Getenv(kernelVariable), provider.ImageKernel)
}

// emptyDisk stores an image that boots nothing, for guests that only have to run.
func emptyDisk(t *testing.T, p *libvirt.Provider) provider.ImageRef {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return push(t, p, path, provider.ImageRaw)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// smallSpec is an instance that is quick to start and boots nothing, with one port.
func smallSpec(image provider.ImageRef, vlan int) provider.InstanceSpec {
	id := newID()
	return provider.InstanceSpec{
		Tag:     provider.Tag{ID: id, Generation: 1, SpecDigest: "digest-1"},
		Project: "alice", Name: "web", HostID: "hv-1", Kind: provider.InstanceVM, VCPUs: 1, MemoryBytes: 32 << 20,
		Image: image, Power: provider.PowerRunning,
		NICs:      []provider.NIC{{PortID: newID(), NetworkID: newID(), Fabric: "lan", SegmentID: vlan, MAC: mac(id), MTU: 1400}},
		CloudInit: &provider.CloudInit{MetaData: "instance-id: " + id + "\nlocal-hostname: web\n"},
	}
}

// mac makes an address of an id.
func mac(id string) string {
	hex := strings.ReplaceAll(id, "-", "")
	hex = hex[len(hex)-6:]
	return "52:54:00:" + hex[:2] + ":" + hex[2:4] + ":" + hex[4:]
}

// apply makes an instance, and fails the test if that fails.
func apply(t *testing.T, p *libvirt.Provider, spec provider.InstanceSpec) provider.Instance {
	t.Helper()
	i, err := p.ApplyInstance(within(t, patience), spec, quiet)
	if err != nil {
		t.Fatalf("ApplyInstance: %v", err)
	}
	return i
}

// remove deletes an instance at the end of the test, and checks that nothing is left.
func removeAtEnd(t *testing.T, id string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		p := libvirt.New()
		if err := p.Configure(ctx, json.RawMessage(settings)); err != nil {
			t.Fatal(err)
		}
		if err := p.DeleteInstance(ctx, id, quiet); err != nil {
			t.Errorf("DeleteInstance: %v", err)
		}
		expectTraces(t, id, traces{})
	})
}

// traces are what an instance has on the machine, counted there.
type traces struct {
	Domains, Directories, Processes, Ports int
}

// whole is what a running instance with one port has.
var whole = traces{Domains: 1, Directories: 1, Processes: 1, Ports: 1}

func countTraces(t *testing.T, id string) traces {
	t.Helper()
	ports := run(t, "ovs-vsctl", "--bare", "--columns=name", "find", "Interface", "external_ids:vm-id=\""+id+"\"")
	n := traces{
		Domains: strings.Count(run(t, "virsh", "-q", "list", "--all", "--uuid"), id),
		Ports:   len(strings.Fields(ports)),
	}
	if _, err := os.Stat(filepath.Join(dataDir, "instances", id)); err == nil {
		n.Directories = 1
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range commands {
		text, err := os.ReadFile(path)
		if err == nil && strings.HasPrefix(string(text), "/usr/bin/qemu-system") && strings.Contains(string(text), id) {
			n.Processes++
		}
	}
	return n
}

func expectTraces(t *testing.T, id string, want traces) {
	t.Helper()
	if got := countTraces(t, id); got != want {
		t.Errorf("on the machine: %+v, want %+v", got, want)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// watch watches the provider until the end of the test. It returns after the first report.
func watch(t *testing.T, p *libvirt.Provider) (changes <-chan string, ended <-chan error) {
	t.Helper()
	seen, over := make(chan string, 256), make(chan error, 1)
	go func() {
		over <- p.Watch(t.Context(), func(kind provider.Kind, id string) {
			if kind == provider.KindInstance {
				seen <- id
			}
		})
	}()
	if all := <-seen; all != "" {
		t.Errorf("the first change is of %q", all)
	}
	return seen, over
}

// eventually waits for a condition that depends on other processes.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx := within(t, limit)
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", limit, what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func expectReason(t *testing.T, err error, want fault.Reason) {
	t.Helper()
	if got := fault.ReasonOf(err); got != want {
		t.Errorf("error = %v (%s), want %s", err, got, want)
	}
}

// ask runs a command in a guest, through its serial console. The line is closed again: two readers would share what
// arrives.
func ask(t *testing.T, id, command string) string {
	t.Helper()
	line, err := os.OpenFile(consolePath(t, id), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	out, _, err := guest.NewConsole(line).Run(within(t, patience), command)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// consolePath finds the terminal that libvirt gave to a running guest.
func consolePath(t *testing.T, id string) string {
	t.Helper()
	var definition libvirtxml.Domain
	if err := definition.Unmarshal(run(t, "virsh", "dumpxml", id)); err != nil {
		t.Fatal(err)
	}
	return definition.Devices.Serials[0].Source.Pty.Path
}
