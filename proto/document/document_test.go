// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/conformance"
)

func TestBlocks(t *testing.T) {
	got := blocks(" Apply makes it,\n or begins to.\n\n  Condition   Code   The core then\n  lower fence  ABORTED  claims it again\n And more.\n")
	want := []block{
		{text: "Apply makes it, or begins to."},
		{table: [][]string{{"Condition", "Code", "The core then"}, {"lower fence", "ABORTED", "claims it again"}}},
		{text: "And more."},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("blocks = %+v", got)
	}
	if bound := bindingOf(block{text: "It may. It MUST do one. It does another. qcow2 SHOULD do"}); !reflect.DeepEqual(bound,
		[]string{"It MUST do one.", "qcow2 SHOULD do."}) {
		t.Errorf("bindingOf = %q", bound)
	}
}

func TestProve(t *testing.T) {
	contract := []string{"MUST and SHOULD are those of RFC 2119.", "It MUST a.", "It SHOULD b."}
	a := conformance.Case{ID: "A-001", Level: conformance.Must, Sentence: "It MUST a."}
	b := conformance.Case{ID: "B-001", Level: conformance.Should, Sentence: "It SHOULD b."}
	proofs, err := prove(contract, []conformance.Case{a, b})
	if err != nil || len(proofs) != 2 || proofs[1].cases[0].ID != "B-001" {
		t.Errorf("prove = %+v, %v", proofs, err)
	}
	weak := b
	weak.Level = conformance.Must
	for want, cases := range map[string][]conformance.Case{
		`no case of conformance/ has the sentence "It SHOULD b."`: {a},
		`C-001: the contract has no sentence "It MUST c."`:        {a, b, {ID: "C-001", Level: conformance.Must, Sentence: "It MUST c."}},
		`B-001 has the level MUST`:                                {a, weak},
	} {
		if _, err := prove(contract, cases); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; it must say: %s", err, want)
		}
	}
}
