// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/sdk/client"
)

// machines are all of them, segments included.
var machines = []string{coreName, hv1Name, hv2Name, routerName, natName, laptopName, trunkName, wanName, mgmtName, homeName}

// stands reports whether the lab is complete and every machine runs.
func (l *Lab) stands(ctx context.Context) (bool, error) {
	if !l.record.Complete {
		return false, nil
	}
	for _, name := range machines {
		_, err := machine.Open(ctx, l.dir(name))
		if errors.Is(err, machine.ErrNotRunning) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// Status writes what runs, where, what to try next, and how long each step took. It reports whether all is well.
func (l *Lab) Status(ctx context.Context, w io.Writer) (well bool, err error) {
	standing, err := l.stands(ctx)
	if err != nil {
		return false, err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MACHINE\tSTATE\tSERVICES")
	for _, name := range machines {
		state, services := l.look(ctx, name)
		fmt.Fprintf(t, "%s\t%s\t%s\n", name, state, services)
	}
	if err := t.Flush(); err != nil {
		return false, err
	}
	if !standing {
		fmt.Fprintf(w, "\nThe lab in %s is not complete: `rhyzome lab up` makes it, `rhyzome lab down` removes what is there.\n", l.Dir)
		return false, nil
	}
	if err := l.resources(ctx, w); err != nil {
		return false, err
	}
	l.nextSteps(w)
	return true, nil
}

func (l *Lab) look(ctx context.Context, name string) (state, services string) {
	m, err := machine.Open(ctx, l.dir(name))
	if err != nil {
		return "not running", ""
	}
	all, err := m.Services(ctx)
	if err != nil {
		return "does not answer", ""
	}
	for _, s := range all {
		if services != "" {
			services += " "
		}
		services += s.Name
		if s.PID == 0 {
			services += "(down: " + s.LastExit + ")"
		}
	}
	return "running", services
}

// resources lists what the core says there is.
func (l *Lab) resources(ctx context.Context, w io.Writer) error {
	if err := l.connect(ctx); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nPROJECT\tINSTANCE\tSTATE\tHOST\tADDRESSES")
	for _, project := range []string{Alice, Bob} {
		instances, _, err := l.api.Instances.List(ctx, project, client.Page{})
		if err != nil {
			return err
		}
		for _, i := range instances {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v\n", project, i.Name, i.Status.State, i.Status.HostName, addressesOf(i))
		}
	}
	return t.Flush()
}

func addressesOf(i client.Instance) (all []string) {
	for _, p := range i.Status.Ports {
		all = append(all, p.Addresses...)
	}
	return all
}

// contextsFile is a configuration of the command line that names the lab's core.
func (l *Lab) contextsFile() string { return filepath.Join(l.Dir, "contexts.yaml") }

func (l *Lab) writeContexts() error {
	return os.WriteFile(l.contextsFile(), fmt.Appendf(nil,
		"current: lab\ncontexts:\n  lab:\n    url: %s\n    token_file: %s\n    ca_file: %s\n    project: %s\n",
		l.record.URL, l.TokenFile(), l.CAFile(), Alice), 0o600)
}

func (l *Lab) nextSteps(w io.Writer) {
	fmt.Fprintf(w, "\nREST API    %s\ntoken       %s\nCA          %s\n", l.record.URL, l.TokenFile(), l.CAFile())
	fmt.Fprintf(w, "\nTry next, after this line:\n\n  export PATH=%s:$PATH RHYZOME_CONTEXTS=%s\n\n", l.Bin, l.contextsFile())
	for _, try := range []string{
		"rhyzome instance list       # alice's; bob's with --project bob",
		"rhyzome instance stop web2 --wait",
		"rhyzome peer config laptop --network net",
		"rhyzome lab verify          # measure everything again",
		"rhyzome lab down            # remove every trace",
	} {
		fmt.Fprintln(w, "  "+try)
	}
	fmt.Fprintln(w)
	for _, s := range l.record.Steps {
		fmt.Fprintf(w, "%7.1f s  %s\n", s.Seconds, s.Step)
	}
}
