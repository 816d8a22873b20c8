// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/xml"
	"io"
	"strings"
)

// The parts of JUnit's format that everybody reads.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		At       string      `xml:"timestamp,attr"`
		Seconds  float64     `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Seconds float64       `xml:"time,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report for build servers. What did not pass and did not fail is skipped there.
func (r Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{
		Name: "rhyzome conformance of " + r.Plugin + " " + r.Version, Tests: len(r.Results), Failures: r.Count(Fail),
		Skipped: r.Count(NotAdvertised) + r.Count(Limit) + r.Count(KnownFailing),
		At:      r.StartedAt.Format("2006-01-02T15:04:05"), Seconds: r.Seconds,
	}
	for _, result := range r.Results {
		c := junitCase{Class: r.Plugin, Name: result.ID + " " + result.Title, Seconds: result.Seconds}
		switch result.Outcome {
		case Pass:
		case Fail:
			text := []string{result.Detail}
			for _, call := range result.Calls {
				text = append(text, call.String())
			}
			c.Failure = &junitMessage{Message: result.Sentence, Text: strings.Join(text, "\n")}
		case NotAdvertised, Limit, KnownFailing:
			c.Skipped = &junitMessage{Message: string(result.Outcome), Text: result.Detail}
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
