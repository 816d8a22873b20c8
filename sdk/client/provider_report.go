// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"time"
)

// ConformanceReport is what a run of the conformance suite found: the numbers of its cases.
type ConformanceReport struct {
	Suite         string    `json:"suite"` // version of the suite
	Profile       string    `json:"profile"`
	Plugin        string    `json:"plugin"`
	Version       string    `json:"version"`          // of the plugin
	SHA256        string    `json:"sha256,omitempty"` // of the program that was tried
	At            time.Time `json:"at"`               // when the run began
	Passed        int       `json:"passed"`
	Failed        int       `json:"failed"`
	NotAdvertised int       `json:"not_advertised"`
	Limited       int       `json:"limited"` // could not be tried in full
	KnownFailing  int       `json:"known_failing"`
}

// Report keeps a report at a provider; fault.InvalidField if it is about another plugin. Who calls it vouches for the report.
func (s *Providers) Report(ctx context.Context, provider string, report ConformanceReport) (Provider, error) {
	return act[Provider](ctx, s.t, "report", report, "providers", provider)
}
