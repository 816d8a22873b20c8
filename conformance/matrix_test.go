// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// matrixWorkers is how many cases run at once. They wait most of the time.
const matrixWorkers = 32

// sample is the mutant that is tried where nobody asks for others: all of them take minutes (make test-matrix).
const sample = "^ignores fences$"

// TestMatrix tries every mutant with every case. Each case must be the only one that catches its first mutant, or the
// case that it names as stronger must catch all that it catches. RHYZOME_TEST_MATRIX is a regular expression of the
// mutants to try; empty for all, and only then the cases are judged.
func TestMatrix(t *testing.T) {
	t.Parallel()
	which, asked := os.LookupEnv("RHYZOME_TEST_MATRIX")
	if !asked {
		which = sample
	}
	caught := tryAll(t, regexp.MustCompile(which))
	for _, m := range mutants() {
		if by, tried := caught[m.name]; tried && !by[m.caught] {
			t.Errorf("%s does not catch %q", m.caught, m.name)
		}
	}
	for _, m := range slices.Sorted(maps.Keys(caught)) {
		t.Logf("%s: %s", m, strings.Join(slices.Sorted(maps.Keys(caught[m])), " "))
	}
	if len(caught) == 0 {
		t.Errorf("no mutant is called %q", which)
	}
	if which == "" {
		judgeMatrix(t, caught)
	}
}

// judgeMatrix holds what the cases say against the cases that caught each mutant. Cases that are written once for all kinds
// count as one.
func judgeMatrix(t *testing.T, caught map[string]map[string]bool) {
	for _, c := range Cases() {
		if generic(c.ID) != c.ID || c.Profile == Dataplane {
			continue
		}
		if c.CoveredBy == "" {
			if first := c.Catches[0]; len(caught[first]) != 1 || !caught[first][c.ID] {
				t.Errorf("%s: not only it catches %q, but %q", c.ID, first, slices.Sorted(maps.Keys(caught[first])))
			}
			continue
		}
		for m, by := range caught {
			if by[c.ID] && !by[c.CoveredBy] {
				t.Errorf("%s says that %s is stronger, which does not catch %q", c.ID, c.CoveredBy, m)
			}
		}
	}
}

// tryAll returns the cases that catch each mutant. A mutant lives for one case only: many remember what they did.
func tryAll(t *testing.T, which *regexp.Regexp) map[string]map[string]bool {
	type try struct {
		mutant int
		c      Case
	}
	tries, scratch := make(chan try), t.TempDir()
	var mu sync.Mutex
	var done sync.WaitGroup
	caught := map[string]map[string]bool{}
	for range matrixWorkers {
		done.Go(func() {
			for next := range tries {
				m := mutants()[next.mutant]
				if is := catches(t, scratch, m, next.c); is {
					mu.Lock()
					caught[m.name][generic(next.c.ID)] = true
					mu.Unlock()
				}
			}
		})
	}
	for i, m := range mutants() {
		if !which.MatchString(m.name) {
			continue
		}
		mu.Lock()
		caught[m.name] = map[string]bool{}
		mu.Unlock()
		for _, c := range Cases() {
			if c.Profile != Dataplane {
				tries <- try{i, c}
			}
		}
	}
	close(tries)
	done.Wait()
	return caught
}

// catches reports whether a case fails for a mutant. The backend can be broken, and there is something foreign to see.
func catches(t *testing.T, scratch string, m mutant, c Case) bool {
	whole := params
	whole.Timeout = 6 * time.Second
	dir, err := os.MkdirTemp(scratch, "") // too many to keep them all until the end
	if err != nil {
		t.Error(err)
		return false
	}
	defer os.RemoveAll(dir)
	withBackend(&whole, dir)
	whole.Hooks.Foreign = "echo nothing"
	if m.params != nil {
		m.params(&whole, dir)
	}
	target := m.target()
	defer target.Close()
	report, err := Runner{
		Target: target, Params: whole, Profile: Extended, Focus: regexp.MustCompile("^" + c.ID + "$"),
	}.Run(t.Context())
	if err != nil {
		t.Errorf("%s, %s: %v", m.name, c.ID, err)
		return false
	}
	return report.Results[0].Outcome == Fail
}
