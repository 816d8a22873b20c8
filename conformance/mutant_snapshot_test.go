// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func snapshotMutants() []mutant {
	return []mutant{
		{name: "takes snapshots anew", caught: "SNAPSHOT-ONCE-001",
			provider: func(p *memory.Provider) provider.Provider { return takesAnew{broken{p}} }},
		{name: "changes what a snapshot is of", caught: "SNAPSHOT-ONCE-001", unary: pardons(fault.InvalidField)},
		{name: "forgets what it reverted for", caught: "SNAPSHOT-REVERT-001",
			provider: func(p *memory.Provider) provider.Provider { return forgetsRevert{broken{p}} }},
		{name: "reverts for whoever is late", caught: "SNAPSHOT-REVERT-002",
			unary: commands(func(method string, c *pb.Command) {
				if strings.HasSuffix(method, "/RevertSnapshot") {
					c.Fence = math.MaxUint64
				}
			})},
		{name: "reverts the tag too", caught: "SNAPSHOT-REVERT-003",
			provider: func(p *memory.Provider) provider.Provider { return &revertsTag{broken: broken{p}} }},
	}
}

// takesAnew takes a snapshot with each generation.
type takesAnew struct{ broken }

func (m takesAnew) GetSnapshot(ctx context.Context, id string) (provider.Snapshot, error) {
	s, err := m.Provider.GetSnapshot(ctx, id)
	s.TakenAt = s.TakenAt.Add(time.Duration(s.Generation) * time.Second)
	return s, err
}

type forgetsRevert struct{ broken }

func (m forgetsRevert) GetSnapshot(ctx context.Context, id string) (provider.Snapshot, error) {
	s, err := m.Provider.GetSnapshot(ctx, id)
	s.LastRevertOperationID = ""
	return s, err
}

// revertsTag shows the first tag of an instance after a revert, as a backend does that keeps tags with the content.
type revertsTag struct {
	broken
	mu       sync.Mutex
	reverted bool
}

func (m *revertsTag) RevertSnapshot(ctx context.Context, id, operation string, progress provider.Progress) (provider.Snapshot, error) {
	m.mu.Lock()
	m.reverted = true
	m.mu.Unlock()
	return m.Provider.RevertSnapshot(ctx, id, operation, progress)
}

func (m *revertsTag) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	i, err := m.Provider.GetInstance(ctx, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reverted {
		i.Tag = asGeneration(i.Tag, 1)
	}
	return i, err
}
