// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// What operators see of a provider beyond its row: who is behind, and what the suite found.
func TestWhoIsBehindAndReported(t *testing.T) {
	c := newClock()
	o := options(t, c)
	a := open(t, o)
	for name, version := range map[string]string{"old": "1.2.0", "new": "1.10.0"} {
		p, err := a.AddLocal(t.Context(), newID(), name, core.LocalProvider{})
		if err != nil {
			t.Fatal(err)
		}
		p.Status.State, p.Status.Plugin, p.Status.Version = core.ProviderReady, "acme", version
		if err := o.Store.Update(t.Context(), func(tx core.Tx) error { return tx.Providers().Update(p) }); err != nil {
			t.Fatal(err)
		}
	}
	report := core.ConformanceReport{Suite: "0.2.0", Profile: "core", Plugin: "acme", Version: "1.2.0", Passed: 7, At: c.now()}
	if p, err := a.ReportProvider(t.Context(), "old", report); err != nil || *p.Status.Report != report {
		t.Errorf("%+v, %v", p.Status.Report, err)
	}
	report.Plugin = "other"
	if _, err := a.ReportProvider(t.Context(), "old", report); fault.ReasonOf(err) != fault.InvalidField {
		t.Errorf("of another plugin: %v", err)
	}
	one, err := a.GetProvider(t.Context(), "old")
	if err != nil || one.Status.Behind != "1.10.0" || one.Status.Report == nil || one.Status.Report.Passed != 7 {
		t.Errorf("%+v, %v", one.Status, err)
	}
	rows, next, err := a.ListProviders(t.Context(), core.Page{Limit: 1})
	for next != "" && err == nil { // the newer one is on another page
		var more []core.Provider
		more, next, err = a.ListProviders(t.Context(), core.Page{Limit: 1, After: next})
		rows = append(rows, more...)
	}
	for _, p := range rows {
		if want := map[string]string{"old": "1.10.0"}[p.Name]; p.Status.Behind != want {
			t.Errorf("%s is behind %q, want %q", p.Name, p.Status.Behind, want)
		}
	}
	if err != nil || len(rows) != 2 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// A token would cut off a provider that no machine has to join for.
func TestNoTokenForAProviderThatTheCoreRuns(t *testing.T) {
	o := options(t, newClock())
	a := open(t, o)
	p, err := a.AddLocal(t.Context(), newID(), "m1", core.LocalProvider{})
	if err != nil {
		t.Fatal(err)
	}
	a.OnDisconnect(func(id, why string) { t.Errorf("%s is cut off: %s", id, why) })
	for _, state := range []core.ProviderState{core.ProviderReady, core.ProviderUnreachable} {
		for _, replace := range []bool{false, true} {
			p.Status.State = state
			if err := o.Store.Update(t.Context(), func(tx core.Tx) error { return tx.Providers().Update(p) }); err != nil {
				t.Fatal(err)
			}
			_, _, err := a.CreateToken(t.Context(), core.NewToken{Name: "m1", Replace: replace})
			wantReason(t, err, fault.BadState)
			if got := get(t, a, "m1"); got.State != state || got.JoinedAt != nil {
				t.Errorf("%s, replaced %v: %+v", state, replace, got)
			}
		}
	}
}
