// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Known holds the cases that a provider is known to fail, with the reasons. They are counted, never hidden.
type Known map[string]string

// LoadKnown reads one case and its reason a line: "INSTANCE-APPLY-005 the backend has no locks yet". Empty lines and
// those that begin with # mean nothing.
func LoadKnown(path string) (Known, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := Known{}
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, reason, _ := strings.Cut(line, " ")
		switch {
		case !slices.ContainsFunc(Cases(), func(c Case) bool { return c.ID == id }):
			return nil, fmt.Errorf("%s:%d: there is no case %s", path, n, id)
		case strings.TrimSpace(reason) == "":
			return nil, fmt.Errorf("%s:%d: say behind %s why it fails", path, n, id)
		}
		known[id] = strings.TrimSpace(reason)
	}
	return known, nil
}

// judge changes the outcome of a case that is listed: a failure is known, and a pass is a failure of the list.
func (k Known) judge(r Result) Result {
	reason, listed := k[r.ID]
	if !listed {
		return r
	}
	switch r.Outcome {
	case Fail:
		r.Outcome, r.Detail = KnownFailing, "known: "+reason+"\n"+r.Detail
	case Pass:
		r.Outcome, r.Detail = Fail, "it is listed as known to fail ("+reason+"), and passes: take it off the list"
	}
	return r
}
