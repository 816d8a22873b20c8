// SPDX-License-Identifier: Apache-2.0

package hellonetwork_test

import (
	"path/filepath"
	"testing"

	"github.com/rhyzome/rhyzome/conformance"
	hello "github.com/rhyzome/rhyzome/plugins/examples/hello-network"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestConformance(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "hello")
	target := conformance.InProcess(func() provider.Provider { return hello.New() }, engine.Options{})
	conformance.TestProfile(t, conformance.Extended, target, conformance.Params{
		Config: map[string]any{"directory": directory, "fabric": "lab"},
		Hooks: conformance.Hooks{
			BreakBackend: "mv " + directory + " " + directory + ".away", RestoreBackend: "mv " + directory + ".away " + directory,
			ListLeftovers: "ls " + directory,
		},
	})
}
