// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// remembered is a memory provider that gives the core handles, and notes those that it gets.
type remembered struct {
	*memory.Provider
	mu   sync.Mutex
	seen []string
}

func (p *remembered) note(verb string, handle []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, verb+" "+string(handle))
}

func (p *remembered) ApplyNetwork(ctx context.Context, spec provider.NetworkSpec, progress provider.Progress) (provider.Network, error) {
	p.note("apply", spec.BackendHandle)
	n, err := p.Provider.ApplyNetwork(ctx, spec, progress)
	n.BackendHandle = []byte("h" + strconv.FormatInt(spec.Generation, 10))
	return n, err
}

func (p *remembered) DeleteNetwork(ctx context.Context, id string, progress provider.Progress) error {
	p.note("delete", provider.HandleFrom(ctx))
	return p.Provider.DeleteNetwork(ctx, id, progress)
}

func (r *rig) handle(object string, by member) (handle string) {
	r.t.Helper()
	err := r.store.View(r.t.Context(), func(tx core.Tx) error {
		kept, err := tx.BackendHandle(by.id, object)
		handle = string(kept)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return handle
}

func TestHandlesAreKeptAndEchoed(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	p := &remembered{Provider: memory.New(memory.NewBackend())}
	e := newEngine(t, p)
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	run(t, d)
	r.waitReady(m.id)
	id := newID()
	for generation := range int64(2) {
		if _, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, id, generation+1), nil); err != nil {
			t.Fatal(err)
		}
	}
	if kept := r.handle(id, m); kept != "h2" {
		t.Errorf("kept is %q", kept)
	}
	if err := r.network(m.id).DeleteNetwork(within(t), r.fence(), provider.Tag{ID: id}, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"apply ", "apply h1", "delete h2"}; !slices.Equal(p.seen, want) {
		t.Errorf("the provider saw %q, not %q", p.seen, want)
	}
	if kept := r.handle(id, m); kept != "" {
		t.Errorf("of what is gone, %q is kept", kept)
	}
}
