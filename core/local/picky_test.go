// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/plugin"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// picky is the memory provider with settings of its own, as the child that this test's program is when a core starts it.
// Its arguments say how it is: the name and version of its plugin, and what it does wrong.
type picky struct {
	*memory.Compute
	name, version, wrong string

	mu   sync.Mutex
	site string
}

const pickySchema = `{"type":"object","additionalProperties":false,"required":["site"],"properties":{
	"site":{"type":"string","minLength":1},"key":{"type":"string","writeOnly":true},"rate":{"type":"number"}}}`

func (p *picky) Describe() provider.Description {
	schema := pickySchema
	if p.wrong == "greedy" {
		schema = `{"type":"object","required":["more"],"properties":{"more":{"type":"string"}}}`
	}
	return provider.Description{Name: p.name, Version: p.version, ConfigSchema: json.RawMessage(schema)}
}

// Configure installs the site before it refuses it, as a careless author's might.
func (p *picky) Configure(_ context.Context, raw json.RawMessage) error {
	switch p.wrong {
	case "crashes":
		os.Exit(3)
	case "hangs":
		select {}
	}
	var settings struct{ Site string }
	if err := json.Unmarshal(raw, &settings); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.site = settings.Site
	slog.Info("installed", "site", p.site)
	if p.site == "abyss" {
		os.Exit(3)
	}
	if p.site == "nowhere" || p.wrong == "refuses" {
		return fault.Invalid("/site", "there is no such site")
	}
	return nil
}

// ListHosts shows the site.
func (p *picky) ListHosts(context.Context) ([]provider.Host, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return []provider.Host{{ID: "machine", Name: "machine", Labels: map[string]string{"site": p.site}}}, nil
}

var pickyDir string

func TestMain(m *testing.M) {
	if cookie := handshake.Config(); os.Getenv(cookie.MagicCookieKey) == cookie.MagicCookieValue {
		p := &picky{Compute: memory.NewCompute(memory.NewBackend()), name: os.Args[1], version: os.Args[2], wrong: os.Args[3]}
		if p.wrong == "mute" {
			time.Sleep(time.Hour)
		}
		plugin.Serve(p)
	}
	code := m.Run()
	if pickyDir != "" {
		os.RemoveAll(pickyDir)
	}
	os.Exit(code)
}

// pickyProgram is this test's program where every user may run it.
var pickyProgram = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if pickyDir, err = os.MkdirTemp("", "rhyzome-picky"); err != nil {
		return "", err
	}
	program := filepath.Join(pickyDir, "plugin")
	content, err := os.ReadFile(self)
	return program, errors.Join(err, os.Chmod(pickyDir, 0o755), os.WriteFile(program, content, 0o755))
})

// plugin makes a plugin with that name and version; wrong is what it does wrong.
func pluginOf(t *testing.T, name, version, wrong string) (path, sum string) {
	t.Helper()
	program, err := pickyProgram()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Appendf(nil, "#!/bin/sh\nexec %s %q %q %q\n", program, name, version, wrong)
	path = filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(path, script, 0o755); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(script)
	return path, hex.EncodeToString(digest[:])
}
