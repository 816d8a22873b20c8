// SPDX-License-Identifier: Apache-2.0

package endtoend_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/sdk/client"
)

// services are the processes that are killed, by machine.
var services = map[string]string{
	"core": "rhyzome", "hv1": "rhyzome-libvirt", "hv2": "rhyzome-libvirt", "router": "rhyzome-openwrt",
}

// TestKilledAtEachStep stops the core after the commit of each recorded step of creating and deleting an instance, kills
// the core and all providers there (SIGKILL, real processes), lets them start again, and counts on the machines what is
// there when the operation has ended: one of each, or none.
func TestKilledAtEachStep(t *testing.T) {
	create, remove := steps(t)
	defer func() {
		if err := one.RestartCore(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	for i, step := range create {
		name := fmt.Sprintf("crash%d", i)
		t.Run("instance.create/"+step, func(t *testing.T) {
			ctx := limit(t, 4*time.Minute)
			before := routerState(ctx, t)
			in := crashed(ctx, t, "instance.create/"+step, func() (client.Instance, client.Operation, error) {
				return api(ctx, t).Instances.Create(ctx, "alice", newInstance(name))
			})
			count(ctx, t, in, 1)
			deleteInstance(ctx, t, in)
			count(ctx, t, in, 0)
			sameRouter(ctx, t, before)
		})
	}
	for i, step := range remove {
		name := fmt.Sprintf("gone%d", i)
		t.Run("instance.delete/"+step, func(t *testing.T) {
			ctx := limit(t, 4*time.Minute)
			before := routerState(ctx, t)
			in := createInstance(ctx, t, name)
			count(ctx, t, in, 1)
			crashed(ctx, t, "instance.delete/"+step, func() (client.Instance, client.Operation, error) {
				op, err := api(ctx, t).Instances.Delete(ctx, "alice", name)
				return in, op, err
			})
			count(ctx, t, in, 0)
			sameRouter(ctx, t, before)
		})
	}
}

// crashed begins a change with the core set to pause after a step, kills everything at the pause, and waits for the
// operation's success.
func crashed(ctx context.Context, t *testing.T, point string, begin func() (client.Instance, client.Operation, error)) client.Instance {
	t.Helper()
	if err := one.RestartCore(ctx, "RHYZOME_PAUSE_AFTER="+point); err != nil {
		t.Fatal(err)
	}
	in, op, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	awaitLog(ctx, t, "core", "rhyzome", "operation="+op.ID, "msg=paused")
	for machine, service := range services {
		if err := onMachine(ctx, t, machine).SignalService(ctx, service, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	end, err := api(ctx, t).Operations.Wait(ctx, op.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := end.Err(); err != nil || end.State != client.OperationSucceeded {
		t.Fatalf("operation %s is %s: %v", end.ID, end.State, err)
	}
	return in
}

// steps returns the recorded steps of creating and deleting an instance, as operations list them.
func steps(t *testing.T) (create, remove []string) {
	t.Helper()
	ctx := limit(t, 3*time.Minute)
	_, op, err := api(ctx, t).Instances.Create(ctx, "alice", newInstance("steps"))
	if err != nil {
		t.Fatal(err)
	}
	await(ctx, t, op)
	removal, err := api(ctx, t).Instances.Delete(ctx, "alice", "steps")
	if err != nil {
		t.Fatal(err)
	}
	await(ctx, t, removal)
	if len(op.Steps) < 2 || len(removal.Steps) < 2 {
		t.Fatalf("steps: %v, %v", op.Steps, removal.Steps)
	}
	return names(op.Steps), names(removal.Steps)
}

func names(steps []client.OperationStep) (all []string) {
	for _, s := range steps {
		all = append(all, s.Name)
	}
	return all
}

func newInstance(name string) client.NewInstance {
	return client.NewInstance{Name: name, Spec: client.InstanceSpec{
		Image: "guest", MemoryBytes: 128 << 20, Networks: []client.Attachment{{Network: "net"}},
		CloudInit: &client.CloudInit{},
	}}
}

func createInstance(ctx context.Context, t *testing.T, name string) client.Instance {
	t.Helper()
	in, op, err := api(ctx, t).Instances.Create(ctx, "alice", newInstance(name))
	if err != nil {
		t.Fatal(err)
	}
	await(ctx, t, op)
	return in
}

func deleteInstance(ctx context.Context, t *testing.T, in client.Instance) {
	t.Helper()
	op, err := api(ctx, t).Instances.Delete(ctx, "alice", in.Name)
	if err != nil {
		t.Fatal(err)
	}
	await(ctx, t, op)
}

func await(ctx context.Context, t *testing.T, op client.Operation) {
	t.Helper()
	end, err := api(ctx, t).Operations.Wait(ctx, op.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := end.Err(); err != nil {
		t.Fatalf("%s of %s: %v", end.Kind, end.Resource.Name, err)
	}
}

// count counts, on the machines, what belongs to an instance: each must be there so many times.
func count(ctx context.Context, t *testing.T, in client.Instance, want int) {
	t.Helper()
	port := in.Status.Ports[0]
	got := map[string]int{
		"UCI sections of the port": lines(sh(ctx, t, "router", counting(port.ID, "uci show dhcp"))),
		"fixed leases":             lines(sh(ctx, t, "router", "cat /var/etc/dnsmasq.conf.* /tmp/hosts/* 2>/dev/null | grep -ic 'dhcp-host=.*"+port.MAC+"' || true")),
	}
	for _, host := range []string{"hv1", "hv2"} {
		got["domains"] += lines(sh(ctx, t, host, counting(in.ID, "virsh -q list --all --uuid")))
		got["Open vSwitch ports"] += lines(sh(ctx, t, host, counting(".", "ovs-vsctl --bare --columns=name find interface external_ids:iface-id="+port.ID)))
		overlays, err := filepath.Glob(filepath.Join(one.dir, host, "rhyzome-libvirt", "instances", in.ID, "*.qcow2"))
		if err != nil {
			t.Fatal(err)
		}
		got["overlays"] += len(overlays)
	}
	for what, n := range maps.All(got) {
		if n != want {
			t.Errorf("%s of %s: %d, want %d", what, in.Name, n, want)
		}
	}
}

// routerState is all that the router is told by files and holds as rules: every UCI section, and nft.
func routerState(ctx context.Context, t *testing.T) string {
	t.Helper()
	return sh(ctx, t, "router", "set -e; cd /etc/config; cat network dhcp firewall; nft -s list ruleset")
}

// sameRouter compares the router with what it was before an instance came and went.
func sameRouter(ctx context.Context, t *testing.T, before string) {
	t.Helper()
	if after := routerState(ctx, t); after != before {
		t.Errorf("the router is not as it was:\n%s\nbefore:\n%s", after, before)
	}
}

// counting is a command that counts the lines with a word in what another prints; it fails if that one does.
func counting(word, command string) string {
	return "set -e; all=$(" + command + "); echo \"$all\" | grep -ic -e '" + word + "' || true"
}

// lines reads what grep -c printed.
func lines(text string) (n int) {
	if _, err := fmt.Sscan(text, &n); err != nil {
		return -1
	}
	return n
}

// awaitLog returns when a line of a service's log holds all the parts.
func awaitLog(ctx context.Context, t *testing.T, machine, service string, parts ...string) {
	t.Helper()
	path := filepath.Join(one.dir, machine, "log", service+".log")
	for {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if holdsAll(line, parts) {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: no line with %v", path, parts)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func holdsAll(line string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(line, p) {
			return false
		}
	}
	return true
}
