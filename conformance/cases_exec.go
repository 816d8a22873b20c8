// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func execCases() []Case {
	return []Case{
		{
			ID: "EXEC-RUN-001", Level: Must, Needs: wire.CapabilityExec,
			Title:    "A program runs as it was asked for",
			Sentence: "ExecInstance MUST run argv as it is, without a shell, give it stdin, and answer with its exit code and with what it wrote.",
			Fix:      "Hand argv to the guest's agent as a list. A shell would interpret what users or other programs put into it.",
			Catches:  []string{"gives programs nothing to read", "asks a shell"},
			Run:      execRuns,
		},
		{
			ID: "EXEC-TIMEOUT-001", Level: Must, Needs: wire.CapabilityExec,
			Title:    "A program that runs too long is killed",
			Sentence: "A program that runs longer than timeout MUST be killed, and answered with DEADLINE_EXCEEDED, TIMEOUT.",
			Fix:      "Kill the program when the context ends, and return the context's error.",
			Catches:  []string{"takes silence for success"},
			Run:      execTimesOut,
		},
		{
			ID: "EXEC-ONCE-001", Level: Must, Needs: wire.CapabilityExec,
			Title:    "A program never runs twice for one operation",
			Sentence: "ExecInstance MUST keep operation_id with the instance's tag before the program starts, and refuse the one that it finds there with FAILED_PRECONDITION, BAD_STATE: no program runs twice for one operation, and what came of the first is unknown.",
			Fix:      "Write operation_id into the backend beside the tag, then start the program, and report last_exec_operation_id.",
			Catches:  []string{"runs programs again"},
			Run:      execOnce,
		},
		{
			ID: "EXEC-FENCE-001", Level: Must, Needs: wire.CapabilityExec,
			Title:    "A lower fence runs nothing",
			Sentence: "ExecInstance MUST be fenced as Apply is.",
			Fix:      "Compare the fence before you write or start anything.",
			Catches:  []string{"runs programs for whoever is late"},
			Run:      execFenced,
		},
	}
}

// makeGuest makes an instance whose agent answers.
func (s *Session) makeGuest(ctx context.Context) (string, error) {
	d := applyInstance(s.instanceSpec())
	if _, err := s.make(ctx, instanceKind(), d); err != nil {
		return "", err
	}
	return d.tag.ID, s.until(ctx, "the guest's agent", func(ctx context.Context) (bool, error) {
		_, err := s.exec(ctx, d.tag.ID, s.runner.NewID(), s.params.Exec.Cat, nil)
		if errors.Is(err, &fault.Error{Reason: fault.BadState}) {
			return false, nil // it still boots
		}
		return err == nil, err
	})
}

func (s *Session) exec(ctx context.Context, id, operation string, argv []string, stdin []byte) (provider.Executed, error) {
	return s.client.ExecInstance(ctx, s.nextFence(), id, operation, provider.Execution{Argv: argv, Stdin: stdin}, 0)
}

// untouched is what a shell would not leave as it is.
const untouched = "/nowhere/$(echo rhyzome) 'a b' \"*\" ; exit 0"

func execRuns(ctx context.Context, s *Session) error {
	id, err := s.makeGuest(ctx)
	if err != nil {
		return err
	}
	text := bytes.Repeat([]byte("Hello, \x00\xff\r\n"), 1000)
	got, err := s.exec(ctx, id, s.runner.NewID(), s.params.Exec.Cat, text)
	if err != nil {
		return err
	}
	if got.ExitCode != 0 || !bytes.Equal(got.Stdout, text) || len(got.Stderr) > 0 || got.StdoutTruncated {
		return fmt.Errorf("%q wrote %d of %d bytes, said %q and ended with %d",
			s.params.Exec.Cat, len(got.Stdout), len(text), got.Stderr, got.ExitCode)
	}
	argv := append(slices.Clone(s.params.Exec.Cat), untouched)
	got, err = s.exec(ctx, id, s.runner.NewID(), argv, nil)
	if err != nil {
		return err
	}
	if got.ExitCode == 0 || !bytes.Contains(got.Stderr, []byte("/nowhere/$(echo rhyzome)")) {
		return fmt.Errorf("%q said %q and ended with %d; it must complain of the file", argv, got.Stderr, got.ExitCode)
	}
	return nil
}

func execTimesOut(ctx context.Context, s *Session) error {
	id, err := s.makeGuest(ctx)
	if err != nil {
		return err
	}
	_, err = s.client.ExecInstance(ctx, s.nextFence(), id, s.runner.NewID(),
		provider.Execution{Argv: s.params.Exec.Sleep}, 300*time.Millisecond)
	if err := reason("a program that runs too long", err, fault.Timeout); err != nil {
		return err
	}
	_, err = s.exec(ctx, id, s.runner.NewID(), s.params.Exec.Cat, nil)
	return err
}

func execOnce(ctx context.Context, s *Session) error {
	id, err := s.makeGuest(ctx)
	if err != nil {
		return err
	}
	operation := s.runner.NewID()
	if _, err := s.exec(ctx, id, operation, s.params.Exec.Cat, nil); err != nil {
		return err
	}
	_, again := s.exec(ctx, id, operation, s.params.Exec.Cat, nil)
	if err := reason("the same operation again", again, fault.BadState); err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	_, later := s.exec(ctx, id, operation, s.params.Exec.Cat, nil)
	return reason("the same operation in a new process", later, fault.BadState)
}

func execFenced(ctx context.Context, s *Session) error {
	old := s.nextFence()
	id, err := s.makeGuest(ctx)
	if err != nil {
		return err
	}
	late := s.runner.NewID()
	_, refused := s.client.ExecInstance(ctx, old, id, late, provider.Execution{Argv: s.params.Exec.Cat}, 0)
	got, err := s.client.GetInstance(ctx, id)
	if err == nil && got.LastExecOperationID == late {
		err = errors.New("it ran nevertheless")
	}
	return errors.Join(reason("a program with a lower fence", refused, fault.Fenced), err)
}
