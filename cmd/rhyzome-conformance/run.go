// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/cmd/scratch"
	"github.com/rhyzome/rhyzome/conformance"
)

// flags of run.
type flags struct {
	target
	params, config, profile, run, skip, known string
	junit, report, signKey                    string
	sweep                                     bool
}

func runCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "run --plugin PROGRAM [-- ARGUMENT...]",
		Short: "Run the cases against a provider's program, and report",
		Long: `Run starts the program as a core would start it as a child, and kills it as often as the cases ask for. With --attach,
it listens like a core, lets the program join and attach there, and kills it likewise.

The parameters say how to configure the provider, and what instances and networks may be made on it; their schema:
rhyzome-conformance schema. What the run makes is removed again; nothing that is not marked as the suite's is touched.`,
		Example: `  rhyzome-conformance run --plugin ./rhyzome-mine --config mine.yaml
  rhyzome-conformance run --plugin ./rhyzome-mine --params params.yaml --profile extended --report report.yaml --junit report.xml
  rhyzome-conformance run --plugin ./rhyzome-mine --params params.yaml --run '^NETWORK-' --attach 127.0.0.1:7443
  rhyzome-conformance run --plugin ./rhyzome-mine --params params.yaml --run INSTANCE-APPLY-001 --debug
  rhyzome-conformance run --plugin ./rhyzome-mine --params params.yaml --sweep`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.execute(cmd, args) },
	}
	f.addTo(cmd)
	cmd.Flags().StringVar(&f.params, "params", "", "YAML file: configuration, limits, hooks, and what may be made")
	cmd.Flags().StringVar(&f.config, "config", "", "YAML file: the provider's configuration, in place of config in --params")
	cmd.Flags().StringVar(&f.profile, "profile", string(conformance.Core), "which cases: core; extended, which holds them too; dataplane, with packets")
	cmd.Flags().StringVar(&f.run, "run", "", "run only the cases whose id matches this regular expression")
	cmd.Flags().StringVar(&f.skip, "skip", "", "don't run the cases whose id matches this regular expression")
	cmd.Flags().StringVar(&f.known, "known-failing", "", "file with a case and a reason a line: their failures are expected, their passing fails")
	cmd.Flags().BoolVar(&f.sweep, "sweep", false, "run nothing: remove what an earlier run left behind")
	cmd.Flags().StringVar(&f.junit, "junit", "", "write the report as JUnit XML to this file")
	cmd.Flags().StringVar(&f.report, "report", "", "write the report as YAML to this file")
	cmd.Flags().StringVar(&f.signKey, "sign-key", "", "sign the YAML report with this Ed25519 key (PEM); rhyzome-conformance verify checks it")
	return cmd
}

// scratchPrefix is of the directories that nobody but this command makes: the library's, in other processes, are not locked.
const scratchPrefix = "rhyzome-conformance-run-"

func (f flags) execute(cmd *cobra.Command, args []string) (err error) {
	dir, remove, err := scratch.Make(scratchPrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	runner := conformance.Runner{Suite: version, Done: func(r conformance.Result) {
		if err := r.WriteLine(cmd.OutOrStdout()); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), "error:", err)
		}
	}}
	if err := f.prepare(&runner, dir); err != nil {
		return err
	}
	out, err := f.output()
	if err != nil {
		return err
	}
	closeTarget, err := f.open(cmd, &runner, args, dir)
	if err != nil {
		return err
	}
	if f.sweep {
		removed, err := runner.Sweep(cmd.Context())
		for _, r := range removed {
			fmt.Fprintln(cmd.OutOrStdout(), "removed", r)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d objects of earlier runs removed\n", len(removed))
		return errors.Join(err, closeTarget())
	}
	report, err := runner.Run(cmd.Context())
	if err := errors.Join(err, closeTarget()); err != nil {
		if report.Leftover != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "left behind:", report.Leftover)
		}
		return err
	}
	if err := out.write(report); err != nil {
		return err
	}
	if err := report.WriteSummary(cmd.OutOrStdout()); err != nil {
		return err
	}
	return verdict(report)
}

// prepare reads what the flags name.
func (f flags) prepare(runner *conformance.Runner, scratch string) (err error) {
	if f.params != "" {
		if runner.Params, err = conformance.LoadParams(f.params, scratch); err != nil {
			return err
		}
	}
	if f.config != "" {
		if runner.Params.Config, err = conformance.LoadConfig(f.config, scratch); err != nil {
			return err
		}
	}
	if f.known != "" {
		if runner.Known, err = conformance.LoadKnown(f.known); err != nil {
			return err
		}
	}
	if err := checkProfile(f.profile); err != nil {
		return err
	}
	runner.Profile = conformance.Profile(f.profile)
	if runner.Focus, err = expression(f.run); err != nil {
		return fmt.Errorf("--run: %w", err)
	}
	if runner.Skip, err = expression(f.skip); err != nil {
		return fmt.Errorf("--skip: %w", err)
	}
	if !slices.ContainsFunc(conformance.Cases(), runner.Wants) {
		return errors.New("--profile, --run and --skip leave no case; `rhyzome-conformance list` shows their ids")
	}
	return nil
}

func checkProfile(name string) error {
	if !slices.Contains(conformance.Profiles(), conformance.Profile(name)) {
		return fmt.Errorf("there is no profile %q: --profile takes core, extended or dataplane", name)
	}
	return nil
}

func expression(text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	return regexp.Compile(text)
}

func verdict(r conformance.Report) error {
	switch {
	case !r.Expected():
		return exitCode(exitNotConformant)
	case r.Leftover != "":
		return exitCode(exitLeftover)
	}
	return nil
}
