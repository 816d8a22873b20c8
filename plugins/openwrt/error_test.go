// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// program makes a small executable of the given name and returns its path.
func program(t *testing.T, name, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandFaults(t *testing.T) {
	for name, c := range map[string]struct {
		program string
		reason  fault.Reason
		says    string
	}{
		"no ubusd":       {program(t, "ubus", "echo 'Failed to connect to ubus' >&2; exit 255"), fault.BackendDown, "Failed to connect"},
		"no object":      {program(t, "ubus", "exit 4"), fault.BackendDown, "without a word"},
		"not allowed":    {program(t, "ubus", "exit 6"), fault.BackendDenied, ""},
		"ubus timed out": {program(t, "ubus", "exit 7"), fault.BackendDown, ""},
		"ubus refuses":   {program(t, "ubus", "exit 2"), fault.BackendRefused, ""},
		"fw4 refuses":    {program(t, "fw4", `printf 'bad\033[31m rule\n' >&2; exit 1`), fault.BackendRefused, "fw4: bad [31m rule"},
		"not there":      {"/nowhere/fw4", fault.BackendDown, "is this OpenWrt?"},
		"not in PATH":    {"no-such-program", fault.BackendDown, "is this OpenWrt?"},
	} {
		_, err := commands{}.Run(t.Context(), time.Minute, c.program)
		if fault.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (%s), want %s", name, err, fault.ReasonOf(err), c.reason)
		}
	}
}

// TestCommandsEnd kills a command with its children when its time is up, and does not wait for what it left behind.
func TestCommandsEnd(t *testing.T) {
	begun := time.Now()
	_, err := commands{}.Run(t.Context(), 100*time.Millisecond, program(t, "fw4", "sleep 60 & sleep 60"))
	if fault.ReasonOf(err) != fault.Timeout {
		t.Errorf("timeout: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (commands{}).Run(ctx, time.Minute, program(t, "fw4", "sleep 60")); fault.ReasonOf(err) != fault.RequestCanceled {
		t.Errorf("canceled: %v", err)
	}
	out, err := commands{}.Run(t.Context(), time.Minute, program(t, "dnsmasq", "sleep 5 & echo done"))
	if err != nil || string(out) != "done\n" {
		t.Errorf("with a daemon: %q, %v", out, err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestArgumentsAreNotForAShell(t *testing.T) {
	out, err := commands{}.Run(t.Context(), time.Minute, "/bin/echo", "$(id)", "; true")
	if err != nil || string(out) != "$(id) ; true\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestAProviderOnNoRouter says what is wrong where there is no OpenWrt at all.
func TestAProviderOnNoRouter(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	p := New()
	p.machine.root = t.TempDir()
	if err := p.Configure(t.Context(), []byte(`{"router": {"id": "x", "name": "x"}}`)); err != nil {
		t.Fatal(err)
	}
	if err := p.Check(t.Context()); fault.ReasonOf(err) != fault.BackendDown {
		t.Errorf("%v", err)
	}
}
