// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pluginhost"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// A provider that an operator drains finishes what it does, takes nothing else, in its next process neither, and takes work
// again when that is taken back.
func TestDrainAChild(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	config := fmt.Sprintf(`{"state_file": %q, "step_delay_ms": 1000}`, filepath.Join(t.TempDir(), "backend.json"))
	pids := filepath.Join(t.TempDir(), "pids")
	id, _ := r.keepChild("local", pluginhost.Child{
		Path:   writeScript(t, fmt.Sprintf("echo $$ >> %s\nexec %s\n", pids, buildMemory(t))),
		Config: func() (json.RawMessage, error) { return json.RawMessage(config), nil },
	})
	r.waitReady(id)
	var once sync.Once
	n, err := r.network(id).ApplyNetwork(within(t), r.fence(), netSpec(t, newID(), 1), func(string, int) {
		once.Do(func() {
			if p, err := r.host.DrainProvider(t.Context(), "local", 0); err != nil || p.Drain == nil {
				t.Errorf("%+v, %v", p, err)
			}
			_, err := r.network(id).ApplyNetwork(within(t), r.fence(), netSpec(t, newID(), 1), nil)
			wantReason(t, err, fault.Draining)
		})
	})
	if err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("what ran: %+v, %v", n, err)
	}
	r.observer.wait(t, 1, "seen "+id+" drained")

	if err := syscall.Kill(lastPID(t, pids), syscall.SIGKILL); err != nil { // the next process
		t.Fatal(err)
	}
	r.waitReady(id)
	r.observer.wait(t, 2, "seen "+id+" drained")
	_, err = r.network(id).ApplyNetwork(within(t), r.fence(), netSpec(t, newID(), 1), nil)
	wantReason(t, err, fault.Draining)

	if p, err := r.host.UndrainProvider(t.Context(), "local"); err != nil || p.Drain != nil {
		t.Errorf("%+v, %v", p, err)
	}
	r.waitReady(id)
	if _, err := r.network(id).ApplyNetwork(within(t), r.fence(), netSpec(t, n.ID, 2), nil); err != nil {
		t.Error(err)
	}
	_, err = r.host.UndrainProvider(t.Context(), "local")
	wantReason(t, err, fault.BadState)
}

func digestOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// One that is away is told when it comes; elsewhere only its next process takes work again.
func TestDrainAProviderElsewhere(t *testing.T) {
	t.Parallel()
	path := buildMemory(t)
	r := newRig(t)
	_, config := stateDir(t, 0)
	p := r.joinByCommand(path, config, "r1")
	if _, err := r.host.DrainProvider(t.Context(), "r1", 0); err != nil {
		t.Fatal(err)
	}
	first := startProcess(t, path, "attach", "--config", config)
	r.waitReady(p.ID)
	r.observer.wait(t, 1, "seen "+p.ID+" drained")
	if info := r.observer.infos[0]; info.Digest != digestOf(t, path) || info.Way != core.WayAttached {
		t.Errorf("it says that its program is %q", info.Digest)
	}
	if _, err := r.host.UndrainProvider(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	_, err := r.network(p.ID).ApplyNetwork(within(t), r.fence(), netSpec(t, newID(), 1), nil)
	wantReason(t, err, fault.Draining)
	first.kill()
	startProcess(t, path, "attach", "--config", config)
	r.observer.wait(t, 2, "attached "+p.ID)
	r.waitReady(p.ID)
	if _, err := r.network(p.ID).ApplyNetwork(within(t), r.fence(), netSpec(t, newID(), 1), nil); err != nil {
		t.Error(err)
	}
	if row, err := r.ca.GetProvider(t.Context(), p.ID); err != nil || row.Drain != nil || row.Status.State == core.ProviderRevoked {
		t.Errorf("%+v, %v", row, err)
	}
}
