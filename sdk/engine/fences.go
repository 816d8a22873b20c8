// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"
	"sync"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// maxFences bounds the memory of fences to a few megabytes.
const maxFences = 1 << 16

// fences keeps the highest fence seen for each id, deleted ids included, so that a late command cannot undo a newer
// one. When there are too many, the lowest are forgotten and become the floor for everybody: whoever is then refused
// wrongly claims anew and comes back with a higher fence.
type fences struct {
	mu      sync.Mutex
	floor   uint64
	highest map[string]uint64
	limit   int
}

func newFences(limit int) fences {
	return fences{highest: map[string]uint64{}, limit: limit}
}

// raise sets the floor, unless it is higher already.
func (f *fences) raise(floor uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.floor = max(f.floor, floor)
}

// admit remembers the fence of a command, or refuses it with fault.Fenced.
func (f *fences) admit(id string, fence uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fence < max(f.floor, f.highest[id]) {
		return fault.New(fault.Fenced, "a newer command for %s was seen", id)
	}
	f.highest[id] = fence
	if len(f.highest) > f.limit {
		f.forget()
	}
	return nil
}

// forget drops the lowest quarter, so that the sorting is paid for once in many calls.
func (f *fences) forget() {
	all := make([]uint64, 0, len(f.highest))
	for _, fence := range f.highest {
		all = append(all, fence)
	}
	slices.Sort(all)
	floor := all[len(all)/4]
	for id, fence := range f.highest {
		if fence <= floor {
			delete(f.highest, id)
		}
	}
	f.floor = max(f.floor, floor)
}
