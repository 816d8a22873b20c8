// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// settled counts the calls of Configure.
type settled struct {
	*memory.Network
	configured atomic.Int64
}

func (s *settled) Configure(ctx context.Context, config json.RawMessage) error {
	s.configured.Add(1)
	return s.Network.Configure(ctx, config)
}

// Several cores of one cloud share an engine, each over a connection of its own: one configuration, one set of fences,
// the same objects; and each core that watches is told everything.
func TestSeveralCoresShareTheEngine(t *testing.T) {
	p := &settled{Network: memory.NewNetwork(memory.NewBackend())}
	e, first, _ := serve(t, p, quick)
	second := wire.NewClient(reach(t, e))
	for i, core := range []*wire.Client{first, second} {
		if _, err := core.Configure(t.Context(), 1, []byte(`{}`), uint64(100*(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.configured.Load(); n != 1 {
		t.Errorf("the author's Configure was called %d times for the same settings", n)
	}
	watched := []<-chan wire.Event{events(t, first), events(t, second)}
	for _, all := range watched {
		next(t, all, "snapshot", snapshotEnd)
	}

	spec := networkSpec()
	if _, err := first.ApplyNetwork(t.Context(), 301, spec); err != nil {
		t.Fatal(err)
	}
	for _, all := range watched {
		next(t, all, "the network", networkIn(spec.ID, provider.PhaseReady))
	}
	if n, err := second.ApplyNetwork(t.Context(), 302, spec); err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("the other core's Apply of the same: %+v, %v", n, err)
	}
	_, _, err := first.DeleteNetwork(t.Context(), 301, spec.Tag)
	wants(t, "the first core's late Delete", err, fault.Fenced)
	_, err = second.ApplyNetwork(t.Context(), 99, networkSpec())
	wants(t, "an Apply below the floor", err, fault.Fenced)

	e.Logger().Warn("to everybody")
	for _, all := range watched {
		next(t, all, "the log", func(e wire.Event) bool { return e.Log != nil && e.Log.Message == "to everybody" })
	}
}
