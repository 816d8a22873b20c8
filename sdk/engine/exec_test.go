// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func TestExec(t *testing.T) {
	b := memory.NewBackend()
	_, client, spec := running(t, memory.New(b))
	exec := func(operation string, timeout time.Duration, argv ...string) (provider.Executed, error) {
		return client.ExecInstance(t.Context(), fence(), spec.ID, operation, provider.Execution{Argv: argv, Stdin: []byte("in")}, timeout)
	}
	got, err := exec("cat", 0, "cat")
	if err != nil || string(got.Stdout) != "in" || got.StdoutTruncated {
		t.Errorf("cat = %+v, %v", got, err)
	}
	got, err = exec("none", 0, "none")
	if err != nil || got.ExitCode != 127 || len(got.Stderr) == 0 {
		t.Errorf("none = %+v, %v", got, err)
	}
	got, err = exec("yes", 0, "yes")
	if err != nil || len(got.Stdout) != wire.MaxExecOutput || !got.StdoutTruncated || got.StderrTruncated {
		t.Errorf("yes = %d bytes, cut %t, %v", len(got.Stdout), got.StdoutTruncated, err)
	}
	_, err = exec("yes", 0, "yes")
	wants(t, "again", err, fault.BadState)
	_, err = exec("sleep", time.Millisecond, "sleep")
	wants(t, "too long", err, fault.Timeout)
	_, err = exec("sleep", time.Millisecond, "sleep")
	wants(t, "too long, again", err, fault.BadState)
	if n := b.Execs(spec.ID); n != 4 {
		t.Errorf("%d programs were run", n)
	}
	for what, argv := range map[string][]string{
		"no program": nil, "an empty one": {""}, "NUL": {"cat", "a\x00b"}, "too much": {"cat", strings.Repeat("x", wire.MaxExecInput)},
	} {
		_, err = exec("bad", 0, argv...)
		wants(t, what, err, fault.InvalidField)
	}
	_, err = exec("bad", wire.MaxExecTime+1, "cat")
	wants(t, "too much time", err, fault.InvalidField)
	_, err = exec("", 0, "cat")
	wants(t, "no operation", err, fault.InvalidField)
	_, err = client.ExecInstance(t.Context(), 0, spec.ID, "late", provider.Execution{Argv: []string{"cat"}}, 0)
	wants(t, "low fence", err, fault.Fenced)
	_, err = client.ExecInstance(t.Context(), fence(), newID(), "nothing", provider.Execution{Argv: []string{"cat"}}, 0)
	wants(t, "nothing there", err, fault.NoSuchObject)
	if err := b.ShutDown(spec.ID); err != nil {
		t.Fatal(err)
	}
	_, err = exec("stopped", 0, "cat")
	wants(t, "what is stopped", err, fault.BadState)
}

func TestOneProgramAtATime(t *testing.T) {
	b := memory.NewBackend()
	_, client, spec := running(t, memory.New(b))
	ctx, cancel := context.WithCancel(t.Context())
	slept := make(chan error, 1)
	go func() {
		_, err := client.ExecInstance(ctx, fence(), spec.ID, "first", provider.Execution{Argv: []string{"sleep"}}, 0)
		slept <- err
	}()
	await(t, "it runs", func() bool { return b.Execs(spec.ID) == 1 })
	second := func() error {
		_, err := client.ExecInstance(t.Context(), fence(), spec.ID, "second", provider.Execution{Argv: []string{"cat"}}, 0)
		return err
	}
	wants(t, "meanwhile", second(), fault.Busy)
	cancel()
	wants(t, "the first", <-slept, fault.RequestCanceled)
	await(t, "the second", func() bool { return second() == nil })
	if n := b.Execs(spec.ID); n != 2 {
		t.Errorf("%d programs were run", n)
	}
}
