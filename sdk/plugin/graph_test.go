// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compiled are the modules that a provider outside this repository compiles, and what for. A new one is a deliberate act:
// every vendor pays for it.
var compiled = map[string]string{
	"google.golang.org/grpc":                "the contract",
	"google.golang.org/protobuf":            "the contract",
	"google.golang.org/genproto":            "details of errors",
	"github.com/hashicorp/go-plugin":        "children of a core",
	"github.com/hashicorp/go-hclog":         "go-plugin",
	"github.com/hashicorp/yamux":            "go-plugin",
	"github.com/fatih/color":                "go-plugin",
	"github.com/golang/protobuf":            "go-plugin",
	"github.com/mattn/go-colorable":         "go-plugin",
	"github.com/mattn/go-isatty":            "go-plugin",
	"github.com/oklog/run":                  "go-plugin",
	"golang.org/x/net":                      "grpc",
	"golang.org/x/sys":                      "grpc",
	"golang.org/x/text":                     "grpc",
	"golang.org/x/sync":                     "streams to several cores",
	"golang.org/x/term":                     "the prompt for the token",
	"github.com/santhosh-tekuri/jsonschema": "the provider's configuration",
	"gopkg.in/yaml.v3":                      "the provider's configuration file",
	"github.com/spf13/cobra":                "the provider's command line",
	"github.com/spf13/pflag":                "cobra",
}

// TestWhatAVendorCompiles asks a module outside this one.
func TestWhatAVendorCompiles(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.org/outside\n\ngo 1.26\n\nrequire github.com/rhyzome/rhyzome v0.0.0\n\nreplace github.com/rhyzome/rhyzome => " + root + "\n",
		"go.sum": string(sums),
		"main.go": "package main\n\nimport (\n\t_ \"github.com/rhyzome/rhyzome/sdk/fault\"\n\t_ \"github.com/rhyzome/rhyzome/sdk/plugin\"\n\t" +
			"_ \"github.com/rhyzome/rhyzome/sdk/provider\"\n)\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(outside, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-mod=mod", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	list.Dir = outside
	var wrong strings.Builder
	list.Stderr = &wrong
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &wrong)
	}
	used := map[string]bool{}
	for path := range strings.FieldsSeq(string(out)) {
		if ours, ok := strings.CutPrefix(path, "github.com/rhyzome/rhyzome/"); ok {
			if !strings.HasPrefix(ours, "sdk/") && !strings.HasPrefix(ours, "proto/") || ours == "sdk/memory" || ours == "sdk/client" {
				t.Errorf("a provider compiles %s of ours", ours)
			}
			continue
		}
		known := path == "example.org/outside"
		for module := range compiled {
			if path == module || strings.HasPrefix(path, module+"/") {
				known, used[module] = true, true
			}
		}
		if !known {
			t.Errorf("a provider compiles %s: drop it, or say in this test what for", path)
		}
	}
	for module := range compiled {
		if !used[module] {
			t.Errorf("%s is listed, but no provider compiles it", module)
		}
	}
}
