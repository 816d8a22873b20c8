// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
)

// drawing returns the transitions that a section of docs/state-machines.md draws, without begin and end.
func drawing(t *testing.T, section string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/state-machines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("no section %s", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	drawn := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^ +([a-z]+) --> ([a-z]+)(:|$)`).FindAllStringSubmatch(rest, -1) {
		if slices.Contains(drawn[m[1]], m[2]) {
			t.Errorf("%s: %s --> %s is drawn twice", section, m[1], m[2])
		}
		drawn[m[1]] = append(drawn[m[1]], m[2])
	}
	return drawn
}

func TestTheDrawingIsTheCode(t *testing.T) {
	coded := map[string][]string{}
	for before, after := range transitions {
		for _, state := range after {
			coded[string(before)] = append(coded[string(before)], string(state))
		}
		slices.Sort(coded[string(before)])
	}
	drawn := drawing(t, "Operation")
	for _, states := range drawn {
		slices.Sort(states)
	}
	if !maps.EqualFunc(coded, drawn, slices.Equal) {
		t.Errorf("docs/state-machines.md draws\n%v\nthe code has\n%v", drawn, coded)
	}
}

// The states that are drawn are those that the API documents.
func TestTheDrawnStates(t *testing.T) {
	for section, of := range map[string]any{
		"Operation": core.Operation{}, "Instance": core.InstanceStatus{}, "Network": core.NetworkStatus{},
		"Peer": core.PeerStatus{}, "Image": core.ImageStatus{}, "Provider": core.ProviderStatus{},
	} {
		field, _ := reflect.TypeOf(of).FieldByName("State")
		want := strings.Split(field.Tag.Get("enum"), ",")
		slices.Sort(want)
		var drawn []string
		for before, after := range drawing(t, section) {
			drawn = append(append(drawn, before), after...)
		}
		slices.Sort(drawn)
		if drawn = slices.Compact(drawn); !slices.Equal(drawn, want) {
			t.Errorf("%s: drawn are %q, documented %q", section, drawn, want)
		}
	}
}

func TestFinalStatesAreFinal(t *testing.T) {
	for before, after := range transitions {
		if before.Ended() {
			t.Errorf("%s is final, and %v may follow", before, after)
		}
	}
	for _, state := range []core.OperationState{core.OperationSucceeded, core.OperationFailed, core.OperationCanceled, core.OperationAbandoned} {
		if mayFollow(state, state) {
			t.Errorf("an operation that is %s may be written again", state)
		}
	}
}
