// SPDX-License-Identifier: Apache-2.0

// Package conformance tells whether a provider keeps the contract. Its cases are values; each has a stable id, a level,
// and the sentence of the contract that it proves. They see a provider only through the wire, and may kill its process,
// so they judge any provider in any language.
//
// An author runs them in go test with Test and InProcess, or over the real binary with the command rhyzome-conformance.
package conformance

import (
	"context"
	"slices"
	"time"
)

// Level says how binding a case is.
type Level string

// The levels, as in RFC 2119.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
)

// Profile is a set of cases.
type Profile string

// The profiles.
const (
	// Core is what every provider has to do right, whatever stands between it and the core.
	Core Profile = "core"
	// Extended is Core, and the faults of a network and of a core that dies: lost, late and repeated calls.
	Extended Profile = "extended"
	// Dataplane is apart: what networks do to packets, seen from guests and from the outside. It needs Params.Dataplane.
	Dataplane Profile = "dataplane"
)

// Profiles lists them, the smallest first.
func Profiles() []Profile { return []Profile{Core, Extended, Dataplane} }

// includes reports whether a run of this profile runs the cases of another. Its zero value is Core.
func (p Profile) includes(other Profile) bool {
	if p == Dataplane || other == Dataplane {
		return p == other
	}
	return slices.Index(Profiles(), either(p, Core)) >= slices.Index(Profiles(), either(other, Core))
}

// Case is one thing that a provider has to do right.
type Case struct {
	ID       string  // stable: INSTANCE-APPLY-003
	Level    Level   // Must, unless said otherwise
	Profile  Profile // the smallest that holds it; "" for Core
	Needs    string  // the service or capability that must be advertised; "" for every provider
	Title    string
	Sentence string   // of the contract, word for word as in proto/rhyzome/provider/v1
	Fix      string   // what a provider that fails should do, for its author
	Catches  []string // broken providers of the suite's own tests that this case is there for
	// CoveredBy is a stronger case, which catches whatever this one catches. The first of Catches of a case without one
	// is a broken provider that no other case catches; in the profile Dataplane, one of several.
	CoveredBy string
	Run       func(ctx context.Context, s *Session) error
}

// Evidence says what shows that the case is needed, a line each: the broken providers that it is there for, and the
// case that is stronger, if there is one.
func (c Case) Evidence() []string {
	lines := slices.Clone(c.Catches)
	if c.CoveredBy != "" {
		return append(lines, "covered by "+c.CoveredBy)
	}
	if len(lines) > 0 && c.Profile != Dataplane { // with packets nobody tried all against all
		lines[0] += " (no other case does)"
	}
	return lines
}

// Outcome of a case.
type Outcome string

// The outcomes. There is no other reason to skip a case than that the provider does not advertise what it needs.
const (
	Pass          Outcome = "pass"
	Fail          Outcome = "fail"
	NotAdvertised Outcome = "not-advertised"
	// Limit is the outcome of a case that the parameters do not let run in full. It is never a pass.
	Limit Outcome = "limit"
	// KnownFailing is the outcome of a failure that the author knows of and has listed.
	KnownFailing Outcome = "known-failing"
)

// Result is what became of one case.
type Result struct {
	ID       string  `yaml:"id"`
	Level    Level   `yaml:"level"`
	Needs    string  `yaml:"needs,omitempty"`
	Title    string  `yaml:"title"`
	Sentence string  `yaml:"sentence"` // of the contract
	Fix      string  `yaml:"-"`
	Outcome  Outcome `yaml:"outcome"`
	Detail   string  `yaml:"detail,omitempty"` // what was expected and what came, or what the limit is
	Calls    []Call  `yaml:"calls,omitempty"`  // the last ones, of a case that failed
	Seconds  float64 `yaml:"seconds"`
}

// Report is what became of all.
type Report struct {
	Suite        string    `yaml:"suite"`    // version of the suite
	Contract     string    `yaml:"contract"` // package of the contract
	Profile      Profile   `yaml:"profile"`
	Partial      bool      `yaml:"partial,omitempty"` // only some of the profile's cases were chosen: there is no verdict
	Plugin       string    `yaml:"plugin"`
	Version      string    `yaml:"version"`
	Way          Way       `yaml:"way"`
	Services     []string  `yaml:"services"`
	Capabilities []string  `yaml:"capabilities"`
	StartedAt    time.Time `yaml:"started_at"`
	Seconds      float64   `yaml:"seconds"`
	Results      []Result  `yaml:"results"`
	Leftover     string    `yaml:"leftover,omitempty"` // what the run could not remove
}

// Count tells how many results have an outcome.
func (r Report) Count(o Outcome) int {
	n := 0
	for _, result := range r.Results {
		if result.Outcome == o {
			n++
		}
	}
	return n
}

// Conformant reports whether every MUST that applies was kept, and that something applied. A partial run cannot tell.
func (r Report) Conformant() bool {
	return !r.Partial && r.Count(Pass) > 0 && r.Count(KnownFailing) == 0 && !slices.ContainsFunc(r.Results, func(result Result) bool {
		return result.Outcome == Fail && result.Level == Must
	})
}

// Expected reports whether nothing failed but what is known to.
func (r Report) Expected() bool {
	return r.Count(Pass) > 0 && !slices.ContainsFunc(r.Results, func(result Result) bool {
		return result.Outcome == Fail && result.Level == Must
	})
}

// Cases returns all cases, in the order in which they run: the last one looks at what all others did.
func Cases() []Case {
	all := slices.Concat(providerCases(), watchCases())
	for _, k := range kinds() {
		all = slices.Concat(all, kindCases(k), meanwhileCases(k))
	}
	all = slices.Concat(all, instanceCases(), imageCases(), volumeCases(), snapshotCases(), resizeCases(), migrateCases(), metricsCases(),
		consoleCases(), execCases(), networkCases(), forwardCases(), verifyCases(),
		specCases(), toleranceCases(), trustCases(), changeCases(), staleOrderCases(), underWayCases())
	for _, k := range kinds() {
		all = slices.Concat(all, lostCases(k), staleCases(k))
	}
	return slices.Concat(all, streamLostCases(), backendCases(), dataplaneCases())
}
