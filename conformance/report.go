// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	for _, result := range r.Results {
		if err := result.WriteLine(w); err != nil {
			return err
		}
	}
	return r.WriteSummary(w)
}

// shownCalls is how many of the last calls people see; the report's file has more.
const shownCalls = 5

const indent = "                "

// WriteLine writes one line of the table. Below a failure stands what a tired person needs: what was wrong, the
// contract's words, what was called, and what to do. What is not advertised has no line: the summary counts it.
func (r Result) WriteLine(w io.Writer) error {
	if r.Outcome == NotAdvertised {
		return nil
	}
	line := fmt.Sprintf("%-14s  %-22s  %-6s  %6.2fs  %s\n", r.Outcome, r.ID, r.Level, r.Seconds, r.Title)
	if r.Detail != "" {
		line += below("", r.Detail)
	}
	if r.Outcome == Fail && r.Sentence != "" {
		line += below("contract: ", r.Sentence)
		for _, c := range r.Calls[max(0, len(r.Calls)-shownCalls):] {
			line += below("called:   ", c.String())
		}
		line += below("to mend:  ", r.Fix) + "\n"
	}
	_, err := io.WriteString(w, line)
	return err
}

// below indents a text that belongs to the line above.
func below(label, text string) string {
	if text == "" {
		return ""
	}
	continued := "\n" + indent + strings.Repeat(" ", len(label))
	return indent + label + strings.ReplaceAll(text, "\n", continued) + "\n"
}

// String shows a call on one line.
func (c Call) String() string {
	answer := c.Response
	if c.Error != "" {
		answer = c.Error
	}
	return fmt.Sprintf("%s %s -> %s (%.3fs)", c.Method, c.Request, answer, c.Seconds)
}

// WriteSummary writes the end of the table.
func (r Report) WriteSummary(w io.Writer) error {
	end := "\n" + r.notAdvertised() + r.Summary() + "\n"
	if r.Leftover != "" {
		end = "\nleft behind: " + r.Leftover + "\n" + end
	}
	_, err := io.WriteString(w, end)
	return err
}

// notAdvertised tells what was not tried, and how many cases need it.
func (r Report) notAdvertised() string {
	cases := map[string]int{}
	for _, result := range r.Results {
		if result.Outcome == NotAdvertised {
			cases[result.Needs]++
		}
	}
	var all []string
	for _, needs := range slices.Sorted(maps.Keys(cases)) {
		all = append(all, fmt.Sprintf("%s (%d)", needs, cases[needs]))
	}
	if len(all) == 0 {
		return ""
	}
	return "not advertised, so their cases were not tried: " + strings.Join(all, ", ") + "\n"
}

// Summary is the report in one line.
func (r Report) Summary() string {
	verdict := "is conformant with"
	switch {
	case r.Partial:
		verdict = "was tried with a part of, and is not judged by,"
	case !r.Conformant():
		verdict = "is NOT conformant with"
	}
	text := fmt.Sprintf("%s %s %s the profile %s: %d passed, %d failed, %d not advertised",
		r.Plugin, r.Version, verdict, r.Profile, r.Count(Pass), r.Count(Fail), r.Count(NotAdvertised))
	for _, o := range []Outcome{Limit, KnownFailing} {
		if n := r.Count(o); n > 0 {
			text += fmt.Sprintf(", %d %s", n, o)
		}
	}
	return text
}
