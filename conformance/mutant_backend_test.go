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
		{name: "takes silence for emptiness", caught: "BACKEND-DOWN-001", params: withBackend,
			provider: func(p *memory.Provider) provider.Provider { return hearsNothing{broken{p}} }},
		{name: "answers from memory", caught: "BACKEND-GONE-001", params: withBackend,
			provider: func(p *memory.Provider) provider.Provider { return &remembers{broken: broken{p}} }},
		{name: "finds by name", caught: "BACKEND-RENAME-001", params: withBackend,
			provider: func(p *memory.Provider) provider.Provider { return byName{broken{p}} }},
		{name: "tidies up what is not its own", caught: "BACKEND-FOREIGN-001",
			params: func(p *Params, dir string) {
				foreign = filepath.Join(dir, "foreign")
				p.Hooks.Prepare = "echo precious >" + foreign
				p.Hooks.Foreign = "cat " + foreign
			},
			provider: func(p *memory.Provider) provider.Provider { return tidies{broken{p}, &foreign} }},
	}
}

// withBackend lets hooks reach the memory provider's backend.
func withBackend(p *Params, dir string) {
	down := filepath.Join(dir, "down")
	meddle := filepath.Join(dir, "meddle")
	whole := " >" + meddle + ".new && mv " + meddle + ".new " + meddle // not in pieces
	p.Config = map[string]any{"step_delay_ms": 10, "down_file": down, "meddle_file": meddle, "hosts": hostsOfAllKinds()}
	p.Hooks = Hooks{
		BreakBackend: "touch " + down, RestoreBackend: "rm " + down,
		Rename: "echo rename $RHYZOME_KIND $RHYZOME_ID renamed" + whole,
		Remove: "echo remove $RHYZOME_KIND $RHYZOME_ID" + whole,
	}
}

// remembers has seen an instance ready, and believes in it until it deletes it.
type remembers struct {
	broken
	seen notes[*provider.Instance]
}

func (m *remembers) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	if was := m.seen.get(id); fault.ReasonOf(err) == fault.NoSuchObject && was != nil {
		return *was, nil
	}
	if err == nil && i.Phase == provider.PhaseReady {
		m.seen.set(id, &i)
	}
	return i, err
}

func (m *remembers) DeleteInstance(ctx context.Context, id string, progress provider.Progress) error {
	m.seen.set(id, nil)
	return m.Provider.DeleteInstance(ctx, id, progress)
}

// byName does not know what is called otherwise.
type byName struct{ broken }

func (m byName) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	if err == nil && i.BackendRef != "rz-"+id {
		return provider.Instance{}, fault.New(fault.NoSuchObject, "there is no rz-%s", id)
	}
	return i, err
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
