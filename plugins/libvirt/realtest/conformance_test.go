// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/plugins/libvirt"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestConformance(t *testing.T) {
	var config map[string]any
	// The guests boot nothing, and so do not notice that they are to stop.
	text := strings.Replace(settings, "{", `{"shutdown_seconds":1,`, 1)
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	newProvider(t) // makes the directories
	definition := filepath.Join(t.TempDir(), "foreign.xml")
	const foreign = "<domain type='qemu'><name>somebody-elses</name><memory unit='MiB'>32</memory>" +
		"<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
	if err := os.WriteFile(definition, []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "virsh", "define", definition)
	t.Cleanup(func() { run(t, "virsh", "undefine", "somebody-elses") })
	before := everything(t)
	target := conformance.InProcess(func() provider.Provider { return libvirt.New() }, engine.Options{Logger: slog.New(slog.DiscardHandler)})
	conformance.TestProfile(t, conformance.Extended, target, conformance.Params{
		Config: config, Timeout: patience, Limits: conformance.Limits{Parallel: 4},
		Instance: conformance.InstanceParams{MemoryBytes: 32 << 20},
		Hooks:    conformance.Hooks{Foreign: "virsh dumpxml somebody-elses"},
	})
	if after := everything(t); after != before {
		t.Errorf("left behind: %s", after)
	}
}

// everything lists what instances leave: domains, their directories, and ports.
func everything(t *testing.T) string {
	t.Helper()
	return run(t, "virsh", "-q", "list", "--all", "--name") + run(t, "ls", dataDir+"/instances") + run(t, "ovs-vsctl", "list-ifaces", "br-rz")
}
