// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// unknownKeys are settings that no provider has.
var unknownKeys = []string{"rhyzome_conformance_a", "rhyzome_conformance_b"}

// manyObjects is how many objects must be possible at once.
const manyObjects = 20

func providerCases() []Case {
	return []Case{
		{
			ID: "PROVIDER-DESCRIBE-001", Level: Must,
			Title:    "Describe works before Configure",
			Sentence: "Describe MUST work before Configure, without touching the backend, with a name, a version, a service, a schema, and a process_id that changes with each start.",
			Fix:      "Return constants, and a process_id made when the process starts.",
			Catches:  []string{"needs configuration to describe itself", "has one process for ever"},
			Run:      describeFirst,
		},
		{
			ID: "PROVIDER-DESCRIBE-002", Level: Must,
			Title:    "What is advertised works, what works is advertised",
			Sentence: "What is not advertised is never called; what is advertised MUST work, and what works MUST be advertised.",
			Fix:      "Answer UNIMPLEMENTED for what you do not offer, and advertise exactly what you do. In Go the SDK derives it from the interfaces that your value implements.",
			Catches:  []string{"hides one thing", "advertises what it has not", "hides what it has"},
			Run:      capabilityTruth,
		},
		{
			ID: "PROVIDER-CONFIGURE-001", Level: Must,
			Title:    "Nothing is changed before Configure",
			Sentence: "Until the first Configure of a process, mutating calls MUST be refused with FAILED_PRECONDITION, NOT_CONFIGURED.",
			Fix:      "Do not work with a configuration of an earlier process, or with defaults.",
			Catches:  []string{"deletes without configuration", "works without configuration"},
			Run:      notConfigured,
		},
		{
			ID: "PROVIDER-CONFIGURE-002", Level: Must,
			Title:    "Configure is strict, and names every fault",
			Sentence: "Configure MUST be strict: unknown keys are faults, and all faults are reported at once as INVALID_ARGUMENT, INVALID_FIELD with field violations.",
			Fix:      "Set additionalProperties to false in the schema at every level, and collect the faults before you answer.",
			Catches:  []string{"reports one fault at a time", "takes any configuration"},
			Run:      strictConfigure,
		},
		{
			ID: "PROVIDER-CONFIGURE-003", Level: Must,
			Title:    "Configure may be repeated",
			Sentence: "Configure MUST be idempotent.",
			Fix:      "Accept the same configuration again at any time, while work runs too; the core sends it at each attach.",
			Catches:  []string{"is configured twice at most", "is configured once and for all"},
			Run:      repeatConfigure,
		},
		{
			ID: "PROVIDER-CANCEL-001", Level: Must,
			Title:     "Cancel of nothing says so, at once",
			Sentence:  "Cancel MUST answer within one second.",
			Fix:       "Ask the work to stop and answer; do not wait until it has stopped.",
			Catches:   []string{"cancels slowly"},
			CoveredBy: "PROVIDER-CANCEL-003",
			Run:       cancelNothing,
		},
		{
			ID: "PROVIDER-CANCEL-002", Level: Must,
			Title:    "Cancel answers at once, and means what it answers",
			Sentence: "Cancel MUST be true: after OUTCOME_CANCELED the work has ended, after OUTCOME_TOO_LATE it goes on to its end, and neither leaves the object stuck.",
			Fix:      "Answer OUTCOME_TOO_LATE if the work does not stop within the second. What is left is PHASE_FAILED and can be applied or deleted.",
			Catches:  []string{"says that it stopped, and goes on", "cannot cancel what runs"},
			Run:      cancelRunning,
		},
		{
			ID: "PROVIDER-DRAIN-001", Level: Must,
			Title:    "A draining provider accepts nothing new",
			Sentence: "A draining provider MUST finish what runs, and refuse new Applies with UNAVAILABLE, DRAINING.",
			Fix:      "Set a flag that every Apply looks at, and let Get, List, Watch and what runs go on.",
			Catches:  []string{"ignores drain"},
			Run:      drain,
		},
		{
			ID: "PROVIDER-PARALLEL-001", Level: Must,
			Title:    "Many objects can be made at once",
			Sentence: "Calls for different objects MUST NOT wait for each other, nor fail because another one runs.",
			Fix:      "Lock an id, not the whole provider. If the backend can do one thing at a time only, queue inside and report PHASE_PROGRESSING.",
			Catches:  []string{"works on one thing at a time", "lists ten at most"},
			Run:      parallel,
		},
	}
}

func describeFirst(ctx context.Context, s *Session) error {
	before, err := s.client.Describe(ctx)
	if err != nil {
		return err
	}
	if err := s.restartBare(ctx); err != nil {
		return err
	}
	d, err := s.client.Describe(ctx)
	if err != nil {
		return fmt.Errorf("before Configure: %w", err)
	}
	var schema map[string]any
	switch {
	case d.Name == "" || d.Version == "":
		return fmt.Errorf("name %q, version %q; neither may be empty", d.Name, d.Version)
	case len(d.Services) == 0:
		return errors.New("no service is advertised")
	case json.Unmarshal(d.ConfigSchema, &schema) != nil:
		return errors.New("the configuration schema is not a JSON object")
	case d.ProcessID == "" || d.ProcessID == before.ProcessID:
		return fmt.Errorf("the new process has id %q, the old one had %q", d.ProcessID, before.ProcessID)
	}
	return nil
}

func capabilityTruth(ctx context.Context, s *Session) error {
	unknown := s.runner.NewID()
	var wrong []error
	truth := func(name string, called error) {
		advertised := s.description.Offers(name)
		implemented := fault.CodeOf(called) != fault.Unimplemented
		if advertised != implemented {
			wrong = append(wrong, fmt.Errorf("%s: advertised %t, implemented %t", name, advertised, implemented))
		}
	}
	for _, k := range kinds() {
		_, err := k.list(ctx, s.client)
		truth(k.needs, err)
	}
	_, err := s.client.RebootInstance(ctx, s.nextFence(), unknown, s.runner.NewID(), false)
	truth(wire.CapabilityPower, err)
	_, err = s.client.ListImages(ctx)
	truth(wire.CapabilityImages, err)
	_, _, err = s.client.GetInstanceSize(ctx, unknown)
	truth(wire.CapabilityResize, err)
	_, err = s.client.CheckInstanceMigration(ctx, unknown, s.host.ID)
	truth(wire.CapabilityMigrate, err)
	_, err = s.client.GetInstanceMetrics(ctx, unknown)
	truth(wire.CapabilityMetrics, err)
	_, err = s.client.OpenConsole(ctx, unknown)
	truth(wire.CapabilityConsole, err)
	_, err = s.exec(ctx, unknown, s.runner.NewID(), s.params.Exec.Cat, nil)
	truth(wire.CapabilityExec, err)
	_, err = s.client.Verify(ctx, s.subject().spec)
	truth(wire.CapabilityVerify, err)
	_, err = s.client.Plan(ctx, s.subject().spec)
	truth(wire.CapabilityPlan, err)
	return errors.Join(wrong...)
}

func notConfigured(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	if err := s.restartBare(ctx); err != nil {
		return err
	}
	_, applyErr := d.apply(ctx, s.client, s.nextFence(), d.tag)
	_, _, deleteErr := k.delete(ctx, s.client, s.nextFence(), d.tag)
	if err := errors.Join(reason("Apply", applyErr, fault.NotConfigured), reason("Delete", deleteErr, fault.NotConfigured)); err != nil {
		return err
	}
	if err := s.Configure(ctx); err != nil {
		return err
	}
	return s.absent(ctx, k, d.tag.ID)
}

func strictConfigure(ctx context.Context, s *Session) error {
	config, err := s.params.config(unknownKeys...)
	if err != nil {
		return err
	}
	_, err = s.client.Configure(ctx, 2, config, s.fence)
	if err := reason("Configure with unknown keys", err, fault.InvalidField); err != nil {
		return err
	}
	fields := fault.Of(err).Fields
	for _, key := range unknownKeys {
		if !slices.ContainsFunc(fields, func(v fault.FieldViolation) bool { return v.Field == "/"+key }) {
			return fmt.Errorf("the refusal does not name /%s: %v", key, fields)
		}
	}
	return nil
}

func repeatConfigure(ctx context.Context, s *Session) error {
	return errors.Join(s.Configure(ctx), s.Configure(ctx))
}

// promptly runs a Cancel, and checks the second.
func (s *Session) promptly(ctx context.Context, kind provider.Kind, id string) (wire.Outcome, error) {
	began := time.Now()
	outcome, err := s.client.Cancel(ctx, kind, id, s.nextFence())
	if took := time.Since(began); err == nil && took > time.Second {
		err = fmt.Errorf("it took %s to cancel", took)
	}
	return outcome, err
}

func cancelNothing(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	outcome, err := s.promptly(ctx, k.name, s.runner.NewID())
	if err == nil && outcome != wire.NothingRunning {
		err = fmt.Errorf("nothing runs, and Cancel answers %q", outcome)
	}
	return err
}

func cancelRunning(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	if _, err := s.caught(ctx, k, d); err != nil {
		return err
	}
	outcome, err := s.promptly(ctx, k.name, d.tag.ID)
	switch {
	case err != nil:
		return err
	case outcome == wire.Canceled:
		return s.stopped(ctx, k, d.tag.ID)
	case outcome != wire.TooLate:
		return nil // whatever there is now, the sweep must be able to remove it
	}
	o, err := k.get(ctx, s.client, d.tag.ID)
	if err != nil {
		return fmt.Errorf("too late to cancel, and yet: %w", err)
	}
	_, err = s.settle(ctx, k, d.tag, o)
	return err
}

// stopped checks that no work goes on for an object, and that none is seen to end a moment later.
func (s *Session) stopped(ctx context.Context, k kind, id string) error {
	look := func() (provider.Phase, error) {
		o, err := k.get(ctx, s.client, id)
		if errors.Is(err, &fault.Error{Reason: fault.NoSuchObject}) {
			return "", nil
		}
		if err == nil && o.Phase == provider.PhaseProgressing {
			err = errors.New("the work was canceled, and goes on")
		}
		return o.Phase, err
	}
	before, err := look()
	if err != nil {
		return err
	}
	if err := s.pause(ctx); err != nil {
		return err
	}
	after, err := look()
	if err == nil && after != before {
		err = fmt.Errorf("the work was canceled, the %s was %q, and a moment later it is %q", k.name, before, after)
	}
	return err
}

func drain(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	d, err := k.draft(ctx, s)
	if err != nil {
		return err
	}
	s.dirty = true
	running, err := s.client.Drain(ctx, s.params.Timeout)
	if err != nil {
		return err
	}
	if running != 0 {
		return fmt.Errorf("nothing runs, and Drain counts %d", running)
	}
	_, err = s.apply(ctx, k, d, d.tag)
	if err := reason("Apply at a draining provider", err, fault.Draining); err != nil {
		return err
	}
	return s.Restart(ctx)
}

func parallel(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	drafts := make([]draft, s.atMost(manyObjects))
	answers := make(chan error, len(drafts))
	for i := range drafts {
		if drafts[i], err = k.draft(ctx, s); err != nil {
			return err
		}
		s.made = append(s.made, madeObject{k, drafts[i].tag})
	}
	for _, d := range drafts {
		fence := s.nextFence()
		go func() {
			_, err := d.apply(ctx, s.client, fence, d.tag)
			answers <- err
		}()
	}
	if err := allSucceed(answers, len(drafts)); err != nil {
		return err
	}
	for _, d := range drafts {
		o, err := k.get(ctx, s.client, d.tag.ID)
		if err != nil {
			return err
		}
		if _, err := s.settle(ctx, k, d.tag, o); err != nil {
			return err
		}
		if err := s.once(ctx, k, d.tag); err != nil {
			return err
		}
	}
	return nil
}

// allSucceed waits for n answers.
func allSucceed(answers <-chan error, n int) error {
	failed := 0
	var last error
	for range n {
		if err := <-answers; err != nil {
			failed++
			last = err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d failed: %w", failed, n, last)
	}
	return nil
}
