// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"

	"github.com/rhyzome/rhyzome/conformance"
)

var (
	binding     = regexp.MustCompile(`\b(MUST|SHOULD)\b`)
	sentenceEnd = regexp.MustCompile(`\. +`)
)

// proof is one sentence of the contract, and the cases that hold providers to it.
type proof struct {
	sentence string
	cases    []conformance.Case
}

// sentences returns the binding sentences of the contract, in their order.
func sentences(files []*protogen.File) []string {
	var all []string
	for _, f := range files {
		for _, comment := range comments(f) {
			for _, b := range blocks(comment) {
				all = append(all, bindingOf(b)...)
			}
		}
	}
	return all
}

// bindingOf returns the sentences of a paragraph that have MUST or SHOULD in them.
func bindingOf(b block) []string {
	if b.table != nil {
		return nil
	}
	var all []string
	for _, s := range sentenceEnd.Split(strings.TrimSuffix(b.text, "."), -1) {
		if binding.MatchString(s) {
			all = append(all, s+".")
		}
	}
	return all
}

// prove pairs sentences and cases. The sentence that says what the words mean is nobody's.
func prove(contract []string, cases []conformance.Case) ([]proof, error) {
	var proofs []proof
	for _, s := range contract {
		if strings.Contains(s, "RFC 2119") {
			continue
		}
		p := proof{sentence: s}
		for _, c := range cases {
			if c.Sentence == s {
				p.cases = append(p.cases, c)
			}
		}
		proofs = append(proofs, p)
	}
	var wrong []error
	for _, p := range proofs {
		if len(p.cases) == 0 {
			wrong = append(wrong, fmt.Errorf("no case of conformance/ has the sentence %q", p.sentence))
		}
	}
	for _, c := range cases {
		if !slices.ContainsFunc(proofs, func(p proof) bool { return p.sentence == c.Sentence }) {
			wrong = append(wrong, fmt.Errorf("%s: the contract has no sentence %q", c.ID, c.Sentence))
		}
		if c.Level == conformance.Must != strings.Contains(c.Sentence, "MUST") {
			wrong = append(wrong, fmt.Errorf("%s has the level %s, and the sentence %q", c.ID, c.Level, c.Sentence))
		}
	}
	return proofs, errors.Join(wrong...)
}
