// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const sentenceMoveEnds = "However a move ends, by failure, by Cancel or with the process, the instance MUST be whole on one host, with its power as it was, and the next Apply MUST bring it to the host that it names."

// mostHosts is how many other hosts a case tries.
const mostHosts = 3

func migrateCases() []Case {
	return []Case{
		{
			ID: "INSTANCE-STAY-001", Level: Must, Needs: wire.ServiceCompute,
			Title:    "An instance stays on its host",
			Sentence: `An instance stays there: a newer generation with another host_id MUST be refused with INVALID_ARGUMENT, INVALID_FIELD, unless the capability "migrate" is offered and ListHosts names that host.`,
			Fix:      "Compare host_id with the host that has the instance before anything is changed.",
			Catches:  []string{"moves without saying so"},
			Run:      stays,
		},
		{
			ID: "MIGRATE-MOVE-001", Level: Must, Needs: wire.CapabilityMigrate,
			Title:    "An instance moves, and is on one host at any time",
			Sentence: "ApplyInstance with another host_id MUST move the instance there, with all that belongs to it, and Get and List MUST show it on one host at any time.",
			Fix:      "Report the host that the backend runs it on, and remove at the old host what was copied.",
			Catches:  []string{"is on two hosts while it moves", "stays where it is", "leaves a copy behind"},
			Run:      moves,
		},
		{
			ID: "MIGRATE-LIVE-001", Level: Must, Needs: wire.CapabilityMigrate,
			Title:    "A move does not stop the guest",
			Sentence: "A guest that runs and is to go on running MUST NOT be stopped or restarted by a move: where it cannot move live, ApplyInstance MUST be refused or fail with FAILED_PRECONDITION, BAD_STATE.",
			Fix:      "Look first whether it can move live, and leave it where it is if it cannot.",
			Catches:  []string{"restarts what it moves", "stops what it cannot move live"},
			Run:      movesLive,
		},
		{
			ID: "MIGRATE-CHECK-001", Level: Must, Needs: wire.CapabilityMigrate,
			Title:    "What is said of a move beforehand comes true",
			Sentence: "What CheckInstanceMigration answers MUST come true if ApplyInstance follows it.",
			Fix:      "Decide both in one place, and say why not.",
			Catches:  []string{"denies that it can", "promises any move"},
			Run:      checkComesTrue,
		},
		{
			ID: "MIGRATE-CANCEL-001", Level: Must, Needs: wire.CapabilityMigrate,
			Title:    "A move that is canceled leaves the instance whole",
			Sentence: sentenceMoveEnds,
			Fix:      "Give up the copy, not the original; after the switch to the new host, answer that it is too late.",
			Catches:  []string{"stops the guest with the move"},
			Run:      moveCanceled,
		},
		{
			ID: "MIGRATE-RESTART-001", Level: Must, Needs: wire.CapabilityMigrate,
			Title:    "A process that dies in the middle of a move leaves the instance whole",
			Sentence: sentenceMoveEnds,
			Fix:      "Ask the hosts where the instance is; let the next Apply take it from there.",
			Catches:  []string{"forgets where a move began"},
			Run:      moveOutlived,
		},
	}
}

// otherHosts are those beside the session's own.
func (s *Session) otherHosts(ctx context.Context) ([]string, error) {
	hosts, err := s.client.ListHosts(ctx)
	var ids []string
	for _, h := range hosts {
		if h.ID != s.host.ID {
			ids = append(ids, h.ID)
		}
	}
	return ids[:min(len(ids), mostHosts)], err
}

// destinations are the hosts to which instances could move. It says the limit if there is none.
func (s *Session) destinations(ctx context.Context) ([]string, error) {
	ids, err := s.otherHosts(ctx)
	if err == nil && len(ids) == 0 {
		s.limit("the provider lists one host only")
	}
	return ids, err
}

// onHost is the next generation of a spec, for a host.
func onHost(spec provider.InstanceSpec, host string) provider.InstanceSpec {
	spec.HostID, spec.Tag = host, asGeneration(spec.Tag, spec.Generation+1)
	return spec
}

// running makes an instance on the session's own host.
func (s *Session) running(ctx context.Context) (provider.InstanceSpec, error) {
	spec := s.instanceSpec()
	_, err := s.make(ctx, instanceKind(), applyInstance(spec))
	return spec, err
}

// movable makes an instance, and returns what to apply to it so that it moves: running if it can move live, else
// stopped. It returns false, and says the limit, if it can move nowhere.
func (s *Session) movable(ctx context.Context) (spec provider.InstanceSpec, ok bool, err error) {
	hosts, err := s.destinations(ctx)
	if err != nil || len(hosts) == 0 {
		return spec, false, err
	}
	if spec, err = s.running(ctx); err != nil {
		return spec, false, err
	}
	stopped := ""
	for _, host := range hosts {
		can, err := s.client.CheckInstanceMigration(ctx, spec.ID, host)
		switch {
		case err != nil:
			return spec, false, err
		case can.Mode == provider.MigrationLive:
			return onHost(spec, host), true, nil
		case can.Mode == provider.MigrationStopped:
			stopped = host
		}
	}
	if stopped == "" {
		s.limit("no other host can have the instance")
		return spec, false, nil
	}
	spec = onHost(spec, s.host.ID)
	spec.Power = provider.PowerStopped
	_, err = s.make(ctx, instanceKind(), applyInstance(spec))
	return onHost(spec, stopped), true, err
}

// whereIs checks that an instance is shown once, on one of these hosts, with its power. It returns on which.
func (s *Session) whereIs(ctx context.Context, spec provider.InstanceSpec, hosts ...string) (string, error) {
	got, err := s.client.GetInstance(ctx, spec.ID)
	if err != nil {
		return "", err
	}
	all, err := s.client.ListInstances(ctx)
	if err != nil {
		return "", err
	}
	all = slices.DeleteFunc(all, func(i provider.Instance) bool { return i.ID != spec.ID })
	if len(all) != 1 {
		return "", fmt.Errorf("the instance is listed %d times; it must be once", len(all))
	}
	for how, i := range map[string]provider.Instance{"Get": got, "List": all[0]} {
		if !slices.Contains(hosts, i.HostID) || i.Power != spec.Power {
			return "", fmt.Errorf("%s says that the instance is %q on %q; it must be %q on %q", how, i.Power, i.HostID, spec.Power, hosts)
		}
	}
	return got.HostID, nil
}

func stays(ctx context.Context, s *Session) error {
	elsewhere := []string{"no-such-host"}
	if !s.description.Offers(wire.CapabilityMigrate) {
		others, err := s.otherHosts(ctx)
		if err != nil {
			return err
		}
		elsewhere = append(elsewhere, others...)
	}
	spec, err := s.running(ctx)
	if err != nil {
		return err
	}
	for _, host := range elsewhere {
		spec = onHost(spec, host)
		if err := s.refused(ctx, "host "+host, instanceKind(), applyInstance(spec), fault.InvalidField); err != nil {
			return err
		}
		if _, err := s.whereIs(ctx, spec, s.host.ID); err != nil {
			return err
		}
	}
	_, err = s.make(ctx, instanceKind(), applyInstance(onHost(spec, s.host.ID)))
	return err
}

func moves(ctx context.Context, s *Session) error {
	spec, ok, err := s.movable(ctx)
	if !ok || err != nil {
		return err
	}
	o, err := s.caught(ctx, instanceKind(), applyInstance(spec))
	if err != nil {
		return err
	}
	if _, err := s.whereIs(ctx, spec, s.host.ID, spec.HostID); err != nil {
		return fmt.Errorf("while it moves: %w", err)
	}
	if _, err := s.settle(ctx, instanceKind(), spec.Tag, o); err != nil {
		return err
	}
	_, err = s.whereIs(ctx, spec, spec.HostID)
	return err
}

func movesLive(ctx context.Context, s *Session) error {
	hosts, err := s.destinations(ctx)
	if !s.description.Offers(wire.CapabilityMetrics) {
		s.limit("without metrics, it cannot be seen whether the guest was restarted")
	}
	tried := false
	for _, host := range hosts {
		spec, err := s.running(ctx)
		if err != nil {
			return err
		}
		spec = onHost(spec, host)
		moved, stopped := s.seenMoving(ctx, spec)
		if stopped != nil {
			return fmt.Errorf("while it moves to %s: %w", host, stopped)
		}
		tried = tried || moved == nil || fault.ReasonOf(moved) == fault.BadState
		if moved != nil {
			host = s.host.ID
		}
		if _, err := s.whereIs(ctx, spec, host); err != nil {
			return err
		}
	}
	if !tried {
		s.limit("no other host can have the instance")
	}
	return err
}

// seenMoving applies a spec. It returns how that ended, and whether the guest was seen stopped meanwhile.
func (s *Session) seenMoving(ctx context.Context, spec provider.InstanceSpec) (moved, stopped error) {
	ended := make(chan error, 1)
	go func() {
		_, err := s.make(ctx, instanceKind(), applyInstance(spec))
		ended <- err
	}()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case moved = <-ended:
			return moved, stopped
		case <-ticker.C:
			if stopped == nil {
				stopped = s.seenStopped(ctx, spec.ID)
			}
		}
	}
}

// seenStopped is an error if an instance does not run now.
func (s *Session) seenStopped(ctx context.Context, id string) error {
	got, err := s.client.GetInstance(ctx, id)
	if err == nil && got.Power != provider.PowerRunning {
		err = fmt.Errorf("the instance must be running, and is %q", got.Power)
	}
	if !s.description.Offers(wire.CapabilityMetrics) || err != nil {
		return err
	}
	if _, err := s.client.GetInstanceMetrics(ctx, id); fault.ReasonOf(err) == fault.BadState {
		return fmt.Errorf("the instance must be running: %w", err)
	}
	return nil
}

func checkComesTrue(ctx context.Context, s *Session) error {
	hosts, err := s.destinations(ctx)
	for _, host := range hosts {
		spec, err := s.running(ctx)
		if err != nil {
			return err
		}
		can, err := s.client.CheckInstanceMigration(ctx, spec.ID, host)
		if err != nil {
			return err
		}
		if err := s.ready(ctx, instanceKind(), spec.Tag); err != nil {
			return fmt.Errorf("after CheckInstanceMigration: %w", err)
		}
		if can.Mode != provider.MigrationLive && len(can.Obstacles) == 0 {
			return fmt.Errorf("a move to %s is %q, and nothing is said to stand against it", host, can.Mode)
		}
		if err := s.comesTrue(ctx, onHost(spec, host), can.Mode); err != nil {
			return fmt.Errorf("a move to %s is said to be %q: %w", host, can.Mode, err)
		}
	}
	return err
}

// comesTrue applies to a running instance what moves it.
func (s *Session) comesTrue(ctx context.Context, spec provider.InstanceSpec, said provider.MigrationMode) error {
	_, err := s.make(ctx, instanceKind(), applyInstance(spec))
	switch said {
	case provider.MigrationLive:
		return err
	case provider.MigrationImpossible:
		if err == nil {
			return errors.New("it moved")
		}
		_, err = s.whereIs(ctx, spec, s.host.ID)
		return err
	case provider.MigrationStopped:
		if err := reason("a move while it runs", err, fault.BadState); err != nil {
			return err
		}
		spec = onHost(spec, spec.HostID)
		spec.Power = provider.PowerStopped
		_, err = s.make(ctx, instanceKind(), applyInstance(spec))
		return err
	}
	return errors.New("that is none of the contract's answers")
}

func moveCanceled(ctx context.Context, s *Session) error {
	for range catchAttempts {
		spec, ok, err := s.movable(ctx)
		if !ok || err != nil {
			return err
		}
		o, err := s.caught(ctx, instanceKind(), applyInstance(spec))
		if err != nil {
			return err
		}
		outcome, err := s.client.Cancel(ctx, provider.KindInstance, spec.ID, s.nextFence())
		if err != nil {
			return err
		}
		if outcome != wire.Canceled {
			if _, err := s.settle(ctx, instanceKind(), spec.Tag, o); err != nil {
				return fmt.Errorf("the answer to Cancel was %q: %w", outcome, err)
			}
			continue
		}
		at, err := s.whereIs(ctx, spec, s.host.ID, spec.HostID)
		if err != nil {
			return err
		}
		_, err = s.make(ctx, instanceKind(), applyInstance(onHost(spec, at)))
		return err
	}
	s.tooQuick()
	return nil
}

func moveOutlived(ctx context.Context, s *Session) error {
	for range catchAttempts {
		spec, ok, err := s.movable(ctx)
		if !ok || err != nil {
			return err
		}
		o, err := s.caught(ctx, instanceKind(), applyInstance(spec))
		if err != nil {
			return err
		}
		if err := s.Restart(ctx); err != nil {
			return err
		}
		if _, err := s.whereIs(ctx, spec, s.host.ID, spec.HostID); err != nil {
			return fmt.Errorf("after the process died: %w", err)
		}
		if _, err := s.make(ctx, instanceKind(), applyInstance(spec)); err != nil {
			return fmt.Errorf("the next Apply: %w", err)
		}
		if _, err := s.whereIs(ctx, spec, spec.HostID); err != nil || o.Phase == provider.PhaseProgressing {
			return err
		}
	}
	s.tooQuick()
	return nil
}
