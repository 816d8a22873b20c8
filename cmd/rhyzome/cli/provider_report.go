// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/rhyzome/rhyzome/sdk/client"
)

func (a *app) providerReport() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "report NAME --file FILE", Short: "Keep a conformance report at a provider", Args: exactly("NAME"),
		Long: "Keep a conformance report at a provider, as rhyzome-conformance run --report writes it. You vouch for it: check who signed\n" +
			"it with rhyzome-conformance verify. The provider shows its numbers, and whether it is about the program that runs.",
		Example:           "  rhyzome provider report hv1 --file report.yaml",
		ValidArgsFunction: completeNames(1, namesOf(a, providers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := readReport(file)
			if err != nil {
				return err
			}
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			p, err := t.Providers.Report(cmd.Context(), args[0], report)
			if err != nil {
				return err
			}
			return show(a, cmd, providers.facts, p)
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "YAML `FILE` on this machine: the report")
	must(cmd, "file")
	forFile(cmd, "file", "")
	return cmd
}

// readReport counts what a report's file says; its first document is the report, the second the signature.
func readReport(file string) (r client.ConformanceReport, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return r, usage("--file: %s", err.Error())
	}
	var whole struct {
		Suite, Profile, Plugin, Version string
		Partial                         bool
		Way                             struct{ Digest string }
		StartedAt                       time.Time `yaml:"started_at"`
		Results                         []struct{ Outcome string }
	}
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&whole); err != nil || len(whole.Results) == 0 {
		return r, usage("--file: %s is no report of rhyzome-conformance run --report", file)
	}
	if whole.Partial {
		return r, usage("--file: %s is of a run of some cases only, which proves nothing: run rhyzome-conformance without --run and --skip", file)
	}
	r = client.ConformanceReport{
		Suite: whole.Suite, Profile: whole.Profile, Plugin: whole.Plugin, Version: whole.Version, SHA256: whole.Way.Digest, At: whole.StartedAt,
	}
	for _, result := range whole.Results {
		switch result.Outcome {
		case "pass":
			r.Passed++
		case "not-advertised":
			r.NotAdvertised++
		case "limit":
			r.Limited++
		case "known-failing":
			r.KnownFailing++
		default:
			r.Failed++
		}
	}
	return r, nil
}

// programOf is what the provider runs.
func programOf(p client.Provider) string {
	if p.Status.Program == nil {
		return ""
	}
	return fmt.Sprintf("SHA-256 %s (%s)", p.Status.Program.SHA256, known(p))
}

// known says how the core knows a provider's program: it measured a child's, others say so themselves.
func known(p client.Provider) string {
	if p.Status.Program.Measured {
		return "measured"
	}
	return "claimed"
}

// found tells what the suite found, and about which program.
func found(p client.Provider) string {
	r := p.Status.Report
	if r == nil {
		return ""
	}
	text := fmt.Sprintf("%s %s, suite %s, profile %s, of %s: %d passed, %d failed, %d not advertised",
		r.Plugin, r.Version, r.Suite, r.Profile, moment(&r.At), r.Passed, r.Failed, r.NotAdvertised)
	if r.Limited > 0 {
		text += fmt.Sprintf(", %d limited", r.Limited)
	}
	if r.KnownFailing > 0 {
		text += fmt.Sprintf(", %d known to fail", r.KnownFailing)
	}
	switch {
	case p.Status.Program == nil || r.SHA256 == "":
		return text + "\nnobody can say whether that is the program that it runs"
	case p.Status.Program.SHA256 == r.SHA256:
		return text + "\nof the program that it runs (" + known(p) + ")"
	}
	return text + "\nof another program than it runs (" + known(p) + ")"
}
