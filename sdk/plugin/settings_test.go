// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/memory"
)

func TestFlagsOverEnvironmentOverFile(t *testing.T) {
	file := writeFile(t, "provider.yaml", "core: [file:1, file:2]\nstate_dir: /file\nmachine_id: file\nlog_level: warn\nconfig:\n  a: {b: [1, two]}\n")
	p := memory.New(memory.NewBackend())
	g := &program{provider: p, description: p.Describe(), configFile: file}
	read := func() settings {
		t.Helper()
		s, err := g.settings()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := read()
	if !slices.Equal(s.Core, []string{"file:1", "file:2"}) || s.StateDir != "/file" || s.MachineID != "file" || s.LogLevel != "warn" {
		t.Errorf("file: %+v", s)
	}
	if base, err := s.base(); err != nil || string(base) != `{"a":{"b":[1,"two"]}}` {
		t.Errorf("base %s, %v", base, err)
	}
	t.Setenv("RHYZOME_CORE", "env:1,env:2")
	t.Setenv("RHYZOME_STATE_DIR", "/env")
	t.Setenv("RHYZOME_MACHINE_ID", "env")
	t.Setenv("RHYZOME_LOG_LEVEL", "debug")
	if s := read(); !slices.Equal(s.Core, []string{"env:1", "env:2"}) || s.StateDir != "/env" || s.MachineID != "env" || s.LogLevel != "debug" {
		t.Errorf("environment: %+v", s)
	}
	g.flags = settings{Core: []string{"flag:1"}, StateDir: "/flag", MachineID: "flag", LogLevel: "error"}
	if s := read(); !slices.Equal(s.Core, []string{"flag:1"}) || s.StateDir != "/flag" || s.MachineID != "flag" || s.LogLevel != "error" {
		t.Errorf("flags: %+v", s)
	}
	g.configFile = ""
	t.Setenv("RHYZOME_CONFIG", "/nowhere.yaml")
	if _, err := g.settings(); err == nil {
		t.Error("a configuration file that was named is missing, and nobody minds")
	}
}

func TestFilesAreReadStrictly(t *testing.T) {
	for name, text := range map[string]string{
		"unknown key":   "core: [a:1]\ncolour: red\n",
		"wrong type":    "core: {a: 1}\n",
		"two documents": "core: [a:1]\n---\ncore: [b:1]\n",
		"no YAML":       "\t\x00",
		"key twice":     "core: [a:1]\ncore: [b:1]\n",
	} {
		if s, err := readFile(writeFile(t, "provider.yaml", text)); err == nil {
			t.Errorf("%s: read %+v", name, s)
		}
	}
	if s, err := readFile(writeFile(t, "provider.yaml", "")); err != nil || s.Config != nil {
		t.Errorf("empty file: %+v, %v", s, err)
	}
	if _, err := (settings{LogLevel: "loud"}).level(); err == nil {
		t.Error("an unknown log level was accepted")
	}
}

func TestMachineIDIsStable(t *testing.T) {
	dir := t.TempDir()
	s := settings{StateDir: dir}
	first, err := s.machineID()
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := s.machineID(); err != nil || again != first {
		t.Errorf("%q, then %q, %v", first, again, err)
	}
	if system, err := os.ReadFile(machineIDFile); err == nil && strings.TrimSpace(string(system)) != "" {
		if first != strings.TrimSpace(string(system)) {
			t.Errorf("%q is not the system's", first)
		}
	} else if kept, err := os.ReadFile(filepath.Join(dir, "machine-id")); err != nil || strings.TrimSpace(string(kept)) != first {
		t.Errorf("kept %q, %v", kept, err)
	}
	if id, err := (settings{StateDir: dir, MachineID: "mine"}).machineID(); err != nil || id != "mine" {
		t.Errorf("%q, %v", id, err)
	}
}

func TestMerged(t *testing.T) {
	for _, c := range []struct{ base, over, want string }{
		{`{}`, ``, `{}`},
		{`{"a":1}`, `{}`, `{"a":1}`},
		{`{"a":1,"b":{"c":2}}`, `{"b":{"d":3}}`, `{"a":1,"b":{"d":3}}`},
		{`{"n":9007199254740993}`, `{"h":"<&>"}`, `{"h":"<&>","n":9007199254740993}`},
		{`{"a":1}`, `{"a":null}`, `{"a":null}`},
		{`{"a":1}`, `[1]`, `[1]`},
		{`{"a":1}`, `null`, `null`},
		{`{"a":1}`, `{"a":`, `{"a":`},
	} {
		if got := strings.TrimSpace(merged([]byte(c.base), c.over)); got != c.want {
			t.Errorf("%s over %s: %s, want %s", c.over, c.base, got, c.want)
		}
	}
}

func TestRenewal(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	core := newFakeCore(t, ca)
	before := ca.enrolled(dir, core.address)
	early, err := newMember(before, dir, func() time.Time { return time.Now().Add(-time.Minute) })
	if err != nil {
		t.Fatal(err)
	}
	if early.due() {
		t.Error("due before half of its life")
	}
	m, err := newMember(before, dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if !m.due() {
		t.Error("not due at half of its life")
	}
	old := m.current().Certificate.Leaf
	if err := m.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.current().Certificate.Leaf.Equal(old) || core.renews.Load() != 1 {
		t.Error("nothing was renewed")
	}
	kept, err := readIdentity(dir)
	if err != nil || kept.Key == before.Key || kept.Certificate == before.Certificate || kept.ProviderID != before.ProviderID {
		t.Errorf("on disk: %+v, %v", kept, err)
	}
	if _, err := newMember(kept, dir, time.Now); err != nil {
		t.Error(err)
	}
	boot, err := newMember(kept, dir, func() time.Time { return time.Unix(0, 0) })
	if err != nil || boot.clock.Now().Before(m.current().Certificate.Leaf.NotBefore) {
		t.Errorf("without a clock it is %s, %v", boot.clock.Now(), err)
	}
	m.stateDir = filepath.Join(dir, "identity.json") // cannot be written below
	if err := m.renew(t.Context()); err == nil {
		t.Error("renewed without writing")
	}
	if got := m.current().Certificate.Leaf; !got.Equal(boot.current().Certificate.Leaf) {
		t.Error("a certificate is in use that is not on disk")
	}
}

// On OpenWrt /var is in memory: an identity that lay there would be lost with the first restart of the router.
func TestTheIdentityOutlivesARestart(t *testing.T) {
	usual, openWrt := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(usual, "var"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("tmp", filepath.Join(openWrt, "var")); err != nil {
		t.Fatal(err)
	}
	if got := defaultStateDir(usual, "mine"); got != "/var/lib/rhyzome/mine" {
		t.Errorf("usually %s", got)
	}
	if got := defaultStateDir(openWrt, "mine"); got != "/etc/rhyzome/mine" {
		t.Errorf("on OpenWrt %s", got)
	}
}
