// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func consoleCases() []Case {
	return []Case{
		{
			ID: "CONSOLE-OPEN-001", Level: Must, Needs: wire.CapabilityConsole,
			Title:    "What does not run has no console",
			Sentence: "OpenConsole of an instance that is not running MUST be refused with FAILED_PRECONDITION, BAD_STATE.",
			Fix:      "Look at the instance before you answer that the console is open.",
			Catches:  []string{"opens consoles of the dead"},
			Run:      consoleOfStopped,
		},
		{
			ID: "CONSOLE-OPEN-002", Level: Must, Needs: wire.CapabilityConsole,
			Title:    "A console is there for the next one",
			Sentence: "A second caller MUST get the console as well, or be refused with ABORTED, BUSY, until the first has left.",
			Fix:      "Close the backend's console when the caller's stream ends, however it ends.",
			Catches:  []string{"has no words for the second caller", "never lets go of a console"},
			Run:      consoleAgain,
		},
		{
			ID: "CONSOLE-END-001", Level: Must, Needs: wire.CapabilityConsole,
			Title:    "A console ends with its guest",
			Sentence: "The stream MUST end, without an error, when the instance is stopped or deleted.",
			Fix:      "Return the end of the backend's stream, and do not open it anew.",
			Catches:  []string{"leaves consoles open after the guest"},
			Run:      consoleEnds,
		},
	}
}

func consoleOfStopped(ctx context.Context, s *Session) error {
	spec, err := s.makeStopped(ctx)
	if err != nil {
		return err
	}
	_, stopped := s.client.OpenConsole(ctx, spec.ID)
	_, absent := s.client.OpenConsole(ctx, s.runner.NewID())
	return errors.Join(
		reason("the console of what is stopped", stopped, fault.BadState),
		reason("the console of what is not there", absent, fault.NoSuchObject),
	)
}

func consoleAgain(ctx context.Context, s *Session) error {
	d := applyInstance(s.instanceSpec())
	if _, err := s.make(ctx, instanceKind(), d); err != nil {
		return err
	}
	first, err := s.client.OpenConsole(ctx, d.tag.ID)
	if err != nil {
		return fmt.Errorf("the first caller: %w", err)
	}
	second, err := s.client.OpenConsole(ctx, d.tag.ID)
	if err == nil {
		err = second.Close()
	} else if errors.Is(err, &fault.Error{Reason: fault.Busy}) {
		err = nil
	}
	if err := errors.Join(err, first.Close()); err != nil {
		return fmt.Errorf("the second caller: %w", err)
	}
	return s.until(ctx, "the console free for the next one", func(ctx context.Context) (bool, error) {
		next, err := s.client.OpenConsole(ctx, d.tag.ID)
		if errors.Is(err, &fault.Error{Reason: fault.Busy}) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return true, next.Close()
	})
}

func consoleEnds(ctx context.Context, s *Session) error {
	stopping, deleted := s.instanceSpec(), s.instanceSpec()
	stop := func() error {
		stopping.Tag, stopping.Power = asGeneration(stopping.Tag, 2), provider.PowerStopped
		_, err := s.make(ctx, instanceKind(), applyInstance(stopping))
		return err
	}
	if err := s.endsConsole(ctx, stopping, stop); err != nil {
		return fmt.Errorf("the instance was stopped: %w", err)
	}
	remove := func() error { return s.remove(ctx, instanceKind(), deleted.Tag) }
	if err := s.endsConsole(ctx, deleted, remove); err != nil {
		return fmt.Errorf("the instance was deleted: %w", err)
	}
	return nil
}

// endsConsole checks that the console of a new instance ends when something happens to it.
func (s *Session) endsConsole(ctx context.Context, spec provider.InstanceSpec, happens func() error) error {
	if _, err := s.make(ctx, instanceKind(), applyInstance(spec)); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.params.Timeout)
	defer cancel()
	console, err := s.client.OpenConsole(limited, spec.ID)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, console)
		ended <- err
	}()
	happened := happens()
	if happened != nil {
		cancel()
	}
	end := <-ended
	if happened != nil {
		return happened
	}
	if errors.Is(end, &fault.Error{Reason: fault.Timeout}) {
		return fmt.Errorf("the console was still open after %s", s.params.Timeout)
	}
	return end
}
