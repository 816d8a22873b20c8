// SPDX-License-Identifier: Apache-2.0

package rhyzome_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/rhyzome/rhyzome"

// mayImport is the architecture: every package of this module, and the packages of this module that it may import. A
// path that ends in /... covers a whole folder. A package that is not listed fails the test, so that a new one is a
// deliberate act; so does one that is listed and gone.
var mayImport = map[string][]string{
	// ground
	"proto/rhyzome/provider/v1": {},
	"sdk/fault":                 {},

	// the public side
	"sdk/provider":                   {"sdk/fault"},
	"sdk/wire":                       {"sdk/fault", "sdk/provider", "proto/..."},
	"sdk/schema":                     {"sdk/fault"},
	"sdk/engine":                     {"sdk/fault", "sdk/provider", "sdk/wire", "sdk/schema", "proto/..."},
	"sdk/handshake":                  {"sdk/fault", "sdk/provider", "sdk/wire", "sdk/engine", "proto/..."},
	"sdk/attach":                     {"sdk/fault", "proto/..."},
	"sdk/relay":                      {"sdk/handshake", "sdk/attach"},
	"sdk/plugin":                     {"sdk/fault", "sdk/provider", "sdk/wire", "sdk/engine", "sdk/handshake", "sdk/attach", "sdk/relay", "proto/..."},
	"sdk/memory":                     {"sdk/fault", "sdk/provider"},
	"sdk/client":                     {"sdk/fault"},
	"conformance/internal/tail":      {},
	"conformance/probe":              {"conformance/internal/tail"},
	"conformance/probe/agent":        {"conformance/probe"},
	"conformance":                    {"conformance/internal/tail", "conformance/probe", "sdk/fault", "sdk/provider", "sdk/wire", "sdk/engine", "sdk/handshake", "sdk/attach", "proto/..."},
	"proto/document":                 {"conformance"},
	"proto/older":                    {},
	"plugins/libvirt":                {"sdk/fault", "sdk/provider"},
	"plugins/libvirt/realtest":       {},
	"plugins/openwrt":                {"plugins/openwrt/uci", "sdk/fault", "sdk/provider"},
	"plugins/openwrt/uci":            {"sdk/fault"},
	"plugins/examples/hello-compute": {"sdk/fault", "sdk/provider"},
	"plugins/examples/hello-network": {"sdk/fault", "sdk/provider"},
	"plugins/examples/node":          {},
	"plugins/examples/process":       {"sdk/fault", "sdk/provider"},

	// words
	"core": {"sdk/fault", "sdk/provider"},

	// decisions
	"core/operation":               {"core", "sdk/fault", "sdk/provider"},
	"core/operation/operationtest": {"core", "core/operation", "sdk/fault", "sdk/provider"},
	"core/scheduler":               {"core", "sdk/fault", "sdk/provider"},
	"core/project":                 {"core", "sdk/fault"},
	"core/image":                   {"core", "sdk/fault", "sdk/provider"},
	"core/place":                   {"core", "sdk/fault", "sdk/provider"},
	"core/network":                 {"core", "core/operation", "core/scheduler", "core/project", "sdk/fault", "sdk/provider"},
	"core/compute":                 {"core", "core/operation", "core/scheduler", "core/project", "core/image", "core/network", "sdk/fault", "sdk/provider"},
	"core/cloudtest":               {"core", "core/operation", "core/store", "sdk/fault", "sdk/provider"},
	"core/inventory":               {"core", "sdk/fault", "sdk/provider"},

	// edges
	"core/auth":            {"core", "sdk/fault"},
	"core/event":           {"core", "sdk/fault"},
	"core/store":           {"core", "sdk/fault"},
	"core/store/storetest": {"core", "sdk/fault"},
	"core/pki":             {"core", "sdk/fault", "sdk/attach"},
	"core/pluginhost":      {"core", "core/pki", "sdk/fault", "sdk/provider", "sdk/schema", "sdk/wire", "sdk/handshake", "sdk/attach", "proto/..."},
	"core/local":           {"core", "core/pluginhost", "sdk/fault", "sdk/schema"},
	"core/rest":            {"core", "core/auth", "sdk/fault"},
	"core/rest/resttest":   {"core", "core/rest", "sdk/fault"},

	// wiring
	"docs/plugin-guide": {},
	"openapi/generate":  {"core/rest", "core/auth", "sdk/fault"},
	"lab/...":           {"lab/...", "sdk/client", "sdk/fault"},
	"cmd/rhyzome/cli":   {"sdk/client", "sdk/fault"},
	"cmd/...":           {"cmd/rhyzome/cli", "cmd/scratch", "core/...", "core", "sdk/...", "lab", "lab/...", "conformance", "conformance/probe/agent"},
}

func TestArchitecture(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if path == "" {
			continue
		}
		if strings.HasPrefix(path, "plugins/") && strings.Contains(path, "/cmd/") {
			// A provider's command is ten lines: the plugin, and sdk/plugin to serve it.
			checkImports(t, path, p.Imports, []string{"plugins/...", "sdk/plugin", "sdk/memory"})
			continue
		}
		rule, allowed, ok := lookUp(path)
		if !ok {
			t.Errorf("%s is not in the table of arch_test.go: say what it may import", path)
			continue
		}
		seen[rule] = true
		checkImports(t, path, p.Imports, allowed)
		if path == "sdk/fault" || path == "sdk/provider" || path == "sdk/client" || path == "core" {
			standardOnly(t, path, p.Imports)
		}
	}
	for rule := range mayImport {
		if !seen[rule] {
			t.Errorf("%s is in the table of arch_test.go, but there is no such package", rule)
		}
	}
}

func lookUp(path string) (rule string, allowed []string, ok bool) {
	if allowed, ok = mayImport[path]; ok {
		return path, allowed, true
	}
	for rule, allowed := range mayImport {
		if covers(rule, path) {
			return rule, allowed, true
		}
	}
	return "", nil, false
}

func covers(rule, path string) bool {
	folder, ok := strings.CutSuffix(rule, "/...")
	return ok && (path == folder || strings.HasPrefix(path, folder+"/"))
}

func checkImports(t *testing.T, path string, imports, allowed []string) {
	t.Helper()
	for _, imp := range imports {
		inside, ok := strings.CutPrefix(imp, module+"/")
		if !ok {
			continue
		}
		permitted := false
		for _, a := range allowed {
			permitted = permitted || a == inside || covers(a, inside)
		}
		if !permitted {
			t.Errorf("%s imports %s, which the table of arch_test.go does not allow", path, inside)
		}
	}
}

// standardOnly keeps the contract and the vocabulary free of dependencies.
func standardOnly(t *testing.T, path string, imports []string) {
	t.Helper()
	for _, imp := range imports {
		if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") && !strings.HasPrefix(imp, module) {
			t.Errorf("%s imports %s: only the standard library is allowed there", path, imp)
		}
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}
