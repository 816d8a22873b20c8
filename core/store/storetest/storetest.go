// SPDX-License-Identifier: Apache-2.0

// Package storetest holds implementations of core.Store to the same behaviour: what a table keeps, what it refuses,
// in which order it lists, and what a transaction is.
package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Run tries a store; open returns an empty one, and closes it when the test ends.
func Run(t *testing.T, open func(t *testing.T) core.Store) {
	for name, test := range map[string]func(*testing.T, core.Store){
		"rows":                 testRows,
		"selection":            testSelection,
		"uniqueness":           testUniqueness,
		"addresses":            testAddresses,
		"handles":              testHandles,
		"pages":                testPages,
		"operations":           testOperations,
		"due operations":       testDue,
		"rollback":             testRollback,
		"a panic":              testPanic,
		"read-only views":      testViewsDoNotWrite,
		"snapshots":            testSnapshots,
		"fences":               testFences,
		"concurrent writers":   testConcurrentWriters,
		"failures among equal": testFailuresAmongWriters,
		"a canceled context":   testCanceledContext,
		"events":               testEvents,
		"settings":             testSettings,
		"backend handles":      testBackendHandles,
		"join tokens":          testJoinTokens,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// at is a time with microseconds, as the core's clock gives them.
var at = time.Date(2026, 11, 22, 10, 39, 7, 123456000, time.UTC)

// id makes ids whose order is that of n.
func id(n int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", n) }

func meta(name string) core.Meta {
	return core.Meta{
		ID: id(1), Name: name, DisplayName: "Ünïcode ' \" ? \\ \x00", Labels: map[string]string{"a": "b"},
		Generation: 3, CreatedAt: at, UpdatedAt: at.Add(time.Hour),
	}
}

func update(t *testing.T, s core.Store, f func(core.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, s core.Store, f func(core.Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func wantReason(t *testing.T, what string, err error, want fault.Reason) {
	t.Helper()
	if got := fault.ReasonOf(err); got != want {
		t.Errorf("%s: reason %q (%v), want %q", what, got, err, want)
	}
}

func wantSame(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
