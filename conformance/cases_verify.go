// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func verifyCases() []Case {
	return []Case{
		{
			ID: "VERIFY-DRIFT-001", Level: Must, Needs: wire.CapabilityVerify,
			Title:    "What differs is named, and nothing else",
			Sentence: "Verify MUST answer with each field in which the two differ, and with none if the object is as its spec says.",
			Fix:      "Read the backend, and compare field by field; do not compare with a copy of the spec that you keep.",
			Catches:  []string{"sees no drift", "sees drift everywhere"},
			Run:      driftNamed,
		},
		{
			ID: "VERIFY-DRIFT-002", Level: Must, Needs: wire.CapabilityVerify,
			Title:    "Verify changes nothing",
			Sentence: "Verify MUST change nothing.",
			Fix:      "Report the drift, and leave the repair to the Apply that may follow.",
			Catches:  []string{"repairs what it should look at"},
			Run:      verifyChangesNothing,
		},
		{
			ID: "PLAN-STEPS-001", Level: Must, Needs: wire.CapabilityPlan,
			Title:    "A plan says whether there is something to do",
			Sentence: "Plan MUST answer with a step at least if Apply would do something, and with none if not.",
			Fix:      "Make the plan by the code that Apply works with, and stop before the first side effect.",
			Catches:  []string{"always finds something to do", "plans nothing"},
			Run:      planHasSteps,
		},
		{
			ID: "PLAN-STEPS-002", Level: Must, Needs: wire.CapabilityPlan,
			Title:    "Plan changes nothing",
			Sentence: "Plan MUST change nothing.",
			Fix:      "Write no tag and begin no work.",
			Catches:  []string{"carries its plans out"},
			Run:      planChangesNothing,
		},
		{
			ID: "PLAN-NOTICE-001", Level: Must, Needs: wire.CapabilityPlan,
			Title:    "A plan says what users would notice",
			Sentence: "Plan MUST say in interrupts_guest and drops_flows what users would notice.",
			Fix:      "Set interrupts_guest if a guest that runs has to stop, drops_flows if a network or a forward is made anew.",
			Catches:  []string{"plays its plans down"},
			Run:      planSaysWhatIsNoticed,
		},
	}
}

// subject is an object to verify and to plan: an instance, or a network where there are none.
type subject struct {
	kind  kind
	draft draft
	spec  provider.AnySpec
	drift provider.AnySpec // as spec, but for one field
	field string           // that field
	harsh provider.AnySpec // its next generation, which users would notice
}

func (s *Session) subject() subject {
	if s.description.Offers(wire.ServiceCompute) {
		spec := s.instanceSpec()
		drift, harsh := spec, spec
		drift.VCPUs++
		harsh.Tag, harsh.Power = asGeneration(spec.Tag, 2), provider.PowerStopped
		return subject{instanceKind(), applyInstance(spec), provider.AnySpec{Instance: &spec},
			provider.AnySpec{Instance: &drift}, "/vcpus", provider.AnySpec{Instance: &harsh}}
	}
	spec := s.networkSpec()
	drift, harsh := spec, spec
	drift.MTU -= 20
	harsh.Tag, harsh.SegmentID = asGeneration(spec.Tag, 2), s.networkSpec().SegmentID
	return subject{networkKind(), applyNetwork(spec), provider.AnySpec{Network: &spec},
		provider.AnySpec{Network: &drift}, "/mtu", provider.AnySpec{Network: &harsh}}
}

// makeSubject makes a subject.
func (s *Session) makeSubject(ctx context.Context) (subject, error) {
	sub := s.subject()
	_, err := s.make(ctx, sub.kind, sub.draft)
	return sub, err
}

// noDrift checks that an object is as its spec says.
func (s *Session) noDrift(ctx context.Context, sub subject) error {
	got, err := s.client.Verify(ctx, sub.spec)
	if err == nil && len(got) > 0 {
		err = fmt.Errorf("it is as its spec says, and Verify answers %+v", got)
	}
	return err
}

func driftNamed(ctx context.Context, s *Session) error {
	sub, err := s.makeSubject(ctx)
	if err != nil {
		return err
	}
	if err := s.noDrift(ctx, sub); err != nil {
		return err
	}
	got, err := s.client.Verify(ctx, sub.drift)
	if err == nil && (len(got) != 1 || got[0].Field != sub.field || got[0].Want == got[0].Got) {
		err = fmt.Errorf("it differs in %s, and Verify answers %+v", sub.field, got)
	}
	return err
}

func verifyChangesNothing(ctx context.Context, s *Session) error {
	sub, err := s.makeSubject(ctx)
	if err != nil {
		return err
	}
	if _, err := s.client.Verify(ctx, sub.drift); err != nil {
		return err
	}
	if err := s.noDrift(ctx, sub); err != nil {
		return fmt.Errorf("after another spec was verified: %w", err)
	}
	none := s.subject()
	_, err = s.client.Verify(ctx, none.spec)
	return errors.Join(
		reason("what is not there", err, fault.NoSuchObject),
		s.absent(ctx, none.kind, none.draft.tag.ID),
		s.once(ctx, sub.kind, sub.draft.tag),
	)
}

func planHasSteps(ctx context.Context, s *Session) error {
	sub := s.subject()
	before, err := s.client.Plan(ctx, sub.spec)
	if err != nil {
		return err
	}
	if len(before.Steps) == 0 {
		return errors.New("it is not there, and there is nothing to do")
	}
	if _, err := s.make(ctx, sub.kind, sub.draft); err != nil {
		return err
	}
	after, err := s.client.Plan(ctx, sub.spec)
	if err == nil && (len(after.Steps) > 0 || after.InterruptsGuest || after.DropsFlows) {
		err = fmt.Errorf("it is there, and the plan is %+v", after)
	}
	return err
}

func planChangesNothing(ctx context.Context, s *Session) error {
	none := s.subject()
	if _, err := s.client.Plan(ctx, none.spec); err != nil {
		return err
	}
	if err := s.absent(ctx, none.kind, none.draft.tag.ID); err != nil {
		return fmt.Errorf("it was planned only: %w", err)
	}
	sub, err := s.makeSubject(ctx)
	if err != nil {
		return err
	}
	if _, err := s.client.Plan(ctx, sub.harsh); err != nil {
		return err
	}
	return s.once(ctx, sub.kind, sub.draft.tag)
}

func planSaysWhatIsNoticed(ctx context.Context, s *Session) error {
	sub, err := s.makeSubject(ctx)
	if err != nil {
		return err
	}
	plan, err := s.client.Plan(ctx, sub.harsh)
	if err != nil {
		return err
	}
	if sub.kind.name == provider.KindInstance && !plan.InterruptsGuest {
		return fmt.Errorf("the guest would be stopped, and the plan is %+v", plan)
	}
	if sub.kind.name == provider.KindNetwork && !plan.DropsFlows {
		return fmt.Errorf("the network would have another segment, and the plan is %+v", plan)
	}
	return nil
}
