// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"slices"
	"testing"

	"github.com/rhyzome/rhyzome/core"
)

func (w *world) row() (p core.Provider) {
	w.t.Helper()
	w.View(func(tx core.Tx) (err error) {
		p, err = tx.Providers().Get(w.Row.ID)
		return err
	})
	return p
}

// Faults in the configuration are shown field by field, until the provider attaches.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	faults := []core.ProblemField{{Field: "/site", Description: "there is no such site"}}
	for range 2 {
		if err := w.Refused(t.Context(), w.Row.ID, "configuration: no site", faults); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.row().Status; s.State != core.ProviderDegraded || !slices.Equal(s.ConfigFaults, faults) || s.LastError == nil || w.count("provider.degraded") != 1 {
		t.Errorf("%+v", s)
	}
	faults = append(faults, core.ProblemField{Field: "/key", Description: "is missing"})
	if err := w.Refused(t.Context(), w.Row.ID, "configuration: no site", faults); err != nil {
		t.Fatal(err)
	}
	if s := w.row().Status; !slices.Equal(s.ConfigFaults, faults) {
		t.Errorf("%+v", s.ConfigFaults)
	}
	w.attach(w.snapshot())
	if s := w.row().Status; s.State != core.ProviderReady || s.ConfigFaults != nil {
		t.Errorf("%+v", s)
	}
}

// The lease is there while the provider is; the program is as measured or claimed.
func TestLeaseAndProgram(t *testing.T) {
	w := newWorld(t)
	info := core.ProviderInfo{Way: core.WayChild, Core: "core.example:7443", Digest: "abc"}
	for _, way := range []core.Way{core.WayChild, core.WayAttached} {
		info.Way = way
		if err := w.Attached(t.Context(), w.Row.ID, info, w.snapshot()); err != nil {
			t.Fatal(err)
		}
		s := w.row().Status
		if s.Lease == nil || s.Lease.Core != info.Core || !s.Lease.Since.Equal(w.at) || *s.Program != (core.ProviderProgram{SHA256: "abc", Measured: way == core.WayChild}) {
			t.Errorf("%s: %+v, %+v", way, s.Lease, s.Program)
		}
	}
	if err := w.Detached(t.Context(), w.Row.ID, "the core stops", true); err != nil {
		t.Fatal(err)
	}
	if s := w.row().Status; s.State != core.ProviderUnreachable || s.LastError != nil {
		t.Errorf("meant: %+v", s)
	}
	w.detach()
	if s := w.row().Status; s.LastError == nil || s.LastError.Message != "silent" {
		t.Errorf("not meant: %+v", s)
	}
	if s := w.row().Status; s.Lease != nil || s.Program == nil {
		t.Errorf("away: %+v, %+v", s.Lease, s.Program)
	}
}
