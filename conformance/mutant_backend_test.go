// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// backendMutants are broken in what only a hook can see.
func backendMutants() []mutant {
	var foreign string
	return []mutant{
		{name: "takes silence for emptiness", caught: "BACKEND-DOWN-001", params: withDownFile,
			provider: func(p *memory.Provider) provider.Provider { return hearsNothing{broken{p}} }},
		{name: "tidies up what is not its own", caught: "BACKEND-FOREIGN-001",
			params: func(p *Params, dir string) {
				foreign = filepath.Join(dir, "foreign")
				p.Hooks.Prepare = "echo precious >" + foreign
				p.Hooks.Foreign = "cat " + foreign
			},
			provider: func(p *memory.Provider) provider.Provider { return tidies{broken{p}, &foreign} }},
	}
}

// withDownFile gives the memory provider's backend a switch.
func withDownFile(p *Params, dir string) {
	down := filepath.Join(dir, "down")
	p.Config = map[string]any{"step_delay_ms": 10, "down_file": down}
	p.Hooks = Hooks{BreakBackend: "touch " + down, RestoreBackend: "rm " + down}
}

type hearsNothing struct{ broken }

func (h hearsNothing) ListInstances(ctx context.Context) ([]provider.Instance, error) {
	all, err := h.Provider.ListInstances(ctx)
	if errors.Is(err, &fault.Error{Reason: fault.BackendDown}) {
		return nil, nil
	}
	return all, err
}

// tidies empties somebody else's file.
type tidies struct {
	broken
	file *string
}

func (t tidies) ListHosts(ctx context.Context) ([]provider.Host, error) {
	if err := os.WriteFile(*t.file, nil, 0o600); err != nil {
		return nil, err
	}
	return t.Provider.ListHosts(ctx)
}
