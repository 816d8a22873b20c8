// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const sentenceMalformed = "A malformed command or spec MUST be refused with INVALID_ARGUMENT, INVALID_FIELD, and a JSON pointer for each field at fault."

// specCases send what cannot be made.
func specCases() []Case {
	bad := func(id, needs, what string, catches []string, run func(context.Context, *Session) error) Case {
		return Case{
			ID: id, Level: Must, Needs: needs, Title: "Each bad field of " + what + " is refused by its name",
			Sentence: sentenceMalformed, Catches: catches, Run: run,
			Fix: "Check every field before you change anything, and name the one at fault: \"/image/sha256\". In Go the SDK checks all but what only your backend knows.",
		}
	}
	failed := func(id, needs, what string, catches []string, run func(context.Context, *Session) error) Case {
		return Case{
			ID: id, Level: Must, Needs: needs, Title: "What cannot be made for want of " + what + " leaves nothing that stays",
			Sentence: "Delete MUST work in whatever state the object is, also after Applies that were refused or failed.",
			Fix:      "Let Delete remove what an Apply made before it failed, and forget the failure with it.", Catches: catches, Run: run,
		}
	}
	return []Case{
		bad("INSTANCE-SPEC-001", wire.ServiceCompute, "an instance", []string{"mends what is wrong", "makes what nobody can run", "trims names", "writes names small", "cuts names"}, badInstances),
		bad("NETWORK-SPEC-001", wire.ServiceNetwork, "a network", []string{"believes every network"}, badNetworks),
		bad("PORT-SPEC-001", wire.ServiceNetwork, "a port", []string{"believes every port"}, badPorts),
		bad("PEER-SPEC-001", wire.CapabilityPeers, "a peer", []string{"believes every peer"}, badPeers),
		bad("FORWARD-SPEC-001", wire.CapabilityForwards, "a forward", []string{"turns ranges of ports around"}, badForwards),
		bad("VOLUME-SPEC-001", wire.CapabilityVolumes, "a volume", []string{"gives volumes a size of its own"}, badVolumes),
		bad("SNAPSHOT-SPEC-001", wire.CapabilitySnapshots, "a snapshot", []string{"guesses what a snapshot is of"}, badSnapshots),
		failed("INSTANCE-FAILED-001", wire.CapabilityImages, "an image", []string{"remembers failures for ever"}, func(ctx context.Context, s *Session) error {
			spec := s.instanceSpec()
			spec.Image, _ = s.freshImage()
			if spec.Kind == provider.InstanceUnikernel {
				spec.Image.Format = provider.ImageKernel
			}
			return s.impossible(ctx, instanceKind(), applyInstance(spec))
		}),
		failed("PORT-FAILED-001", wire.ServiceNetwork, "a network", []string{"makes ports of no network"}, func(ctx context.Context, s *Session) error {
			return s.impossible(ctx, portKind(), applyPort(s.portSpec(s.networkSpec())))
		}),
		failed("PEER-FAILED-001", wire.CapabilityPeers, "a network", []string{"makes peers of no network"}, func(ctx context.Context, s *Session) error {
			spec, err := s.peerSpec(s.networkSpec())
			if err != nil {
				return err
			}
			return s.impossible(ctx, peerKind(), applyPeer(spec))
		}).coveredBy("PEER-BAD-001"),
		failed("FORWARD-FAILED-001", wire.CapabilityForwards, "a network", []string{"makes forwards into no network"}, func(ctx context.Context, s *Session) error {
			return s.impossible(ctx, forwardKind(), applyForward(s.forwardSpec(s.networkSpec())))
		}),
		failed("VOLUME-FAILED-001", wire.CapabilityVolumes, "an instance", []string{"attaches volumes to nothing"}, func(ctx context.Context, s *Session) error {
			spec := s.volumeSpec()
			spec.InstanceID = s.runner.NewID()
			return s.impossible(ctx, volumeKind(), applyVolume(spec))
		}),
		failed("SNAPSHOT-FAILED-001", wire.CapabilitySnapshots, "an instance", []string{"takes snapshots of nothing"}, func(ctx context.Context, s *Session) error {
			return s.impossible(ctx, snapshotKind(), applySnapshot(s.snapshotSpec(s.instanceSpec())))
		}),
	}
}

func (c Case) coveredBy(id string) Case {
	c.CoveredBy = id
	return c
}

// impossible applies what cannot be made, twice, and sees that Delete leaves nothing.
func (s *Session) impossible(ctx context.Context, k kind, d draft) error {
	_, before, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	for range 2 {
		o, err := s.apply(ctx, k, d, d.tag)
		if err == nil {
			err = s.failure(ctx, k, o)
		}
		if err == nil {
			return fmt.Errorf("the %s is ready, and stands on nothing", k.name)
		}
		if fault.ReasonOf(err) == fault.Bug {
			return fmt.Errorf("the failure has no reason that the core could act on: %w", err)
		}
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	if err := s.absent(ctx, k, d.tag.ID); err != nil {
		return err
	}
	_, after, err := s.listed(ctx, k, d.tag.ID)
	if err == nil && after != before {
		err = fmt.Errorf("there were %d objects, and after a failure and its removal there are %d", before, after)
	}
	return err
}

// spoiled is one field made bad.
type spoiled struct {
	field string
	draft draft
}

// refusesEach sends each, and looks that nothing comes of it.
func (s *Session) refusesEach(ctx context.Context, k kind, all []spoiled) error {
	var wrong []error
	for _, bad := range all {
		o, err := s.apply(ctx, k, bad.draft, bad.draft.tag)
		if err == nil && o.ID == bad.draft.tag.ID {
			err = s.failure(ctx, k, o)
		}
		if err := reason("a bad "+bad.field, err, fault.InvalidField); err != nil {
			wrong = append(wrong, err)
			continue
		}
		if fields := fault.Of(err).Fields; !slices.ContainsFunc(fields, func(v fault.FieldViolation) bool { return v.Field == bad.field }) {
			wrong = append(wrong, fmt.Errorf("the refusal of a bad %s names %v", bad.field, fields))
		}
	}
	return errors.Join(wrong...)
}
