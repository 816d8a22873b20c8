// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// staleCases are about calls that nobody waits for any more, and those of a core that is newer than the provider.
func staleCases(k kind) []Case {
	return []Case{
		{
			ID: k.id("STALE-001"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "A stale attempt changes nothing",
			Sentence: sentenceFenced,
			Fix:      "Two attempts of one operation have the same generation and digest, and differ in the fence only: compare it first.",
			Catches:  []string{"looks at the spec before the fence", "works on a stale attempt"},
			Run:      k.drafted(staleAttempt),
		},
		{
			ID: k.id("STALE-002"), Level: Must, Profile: Extended, Needs: k.needs,
			Title:    "A late copy of an older Apply changes nothing",
			Sentence: sentenceFenced,
			Fix:      "Compare the fence before everything else, also when the Apply looks like one that was done.",
			Catches:  []string{"compares the generation before the fence", "lets the last one to arrive win"},
			Run:      k.drafted(lateCopy),
		},
		{
			ID: k.id("TOLERANCE-001"), Level: Must, Needs: k.needs,
			Title:    "Unknown fields in commands and specs are ignored",
			Sentence: "Receivers MUST ignore fields that they do not know: within a major version fields are only added.",
			Fix:      "Decode with a library that skips unknown fields, and do not reject messages that have some.",
			Catches:  []string{"refuses the future's specs"},
			Run:      k.drafted(unknownFields),
		},
		{
			ID: k.id("HANDLE-001"), Level: Must, Needs: k.needs,
			Title:    "A handle is an aid, and no identity",
			Sentence: "A call without backend_handle, or with an older one, MUST work as with the newest.",
			Fix:      "Look where the handle points, and where that is not the object with the id, find it by the id.",
			Catches:  []string{"trusts an old handle"},
			Run:      k.drafted(oldHandle),
		},
	}
}

// staleOrderCases are those of staleCases that one kind is enough for.
func staleOrderCases() []Case {
	return []Case{
		{
			ID: "LIST-CUT-001", Level: Must, Profile: Extended,
			Title:    "A List that was cut off is whole the next time",
			Sentence: "Apply MUST make the object as its spec says, and Get and List MUST show it with the tag that it was given.",
			Fix:      "Keep nothing between two Lists: read the backend anew.",
			Catches:  []string{"goes on where a List was cut"},
			Run:      listCut,
		},
		{
			ID: "PROVIDER-CANCEL-003", Level: Must,
			Title:    "Cancel of what never was, or is gone, finds nothing running",
			Sentence: "Cancel MUST be true: after OUTCOME_CANCELED the work has ended, after OUTCOME_TOO_LATE it goes on to its end, and neither leaves the object stuck.",
			Fix:      "Answer OUTCOME_NOTHING_RUNNING for every kind and id that no work runs for.",
			Catches:  []string{"cancels what it never saw"},
			Run:      cancelUnknown,
		},
		{
			ID: "PROVIDER-SECRET-002", Level: Must,
			Title:    "A secret that has no place is refused by its place",
			Sentence: "Configure MUST NOT repeat values of the configuration in its faults: they may be secrets.",
			Fix:      "Name the JSON pointer that came with the secret, not the secret.",
			Catches:  []string{"tells a secret that it refuses"},
			Run:      misplacedSecret,
		},
	}
}

// maxHandle is how much the core keeps.
const maxHandle = 4 << 10

func oldHandle(ctx context.Context, s *Session, k kind, d draft) error {
	made, err := s.make(ctx, k, d)
	if err != nil {
		return err
	}
	newer := asGeneration(d.tag, 2)
	newer.BackendHandle = made.BackendHandle
	changed, err := s.makeAs(ctx, k, d, newer)
	if err != nil {
		return err
	}
	for what, handle := range map[string][]byte{"no": nil, "the older": made.BackendHandle, "the newest": changed.BackendHandle} {
		if len(handle) > maxHandle {
			return fmt.Errorf("%s handle has %d bytes; the core keeps %d", what, len(handle), maxHandle)
		}
		o, err := k.get(provider.WithHandle(ctx, handle), s.client, d.tag.ID)
		if err := errors.Join(err, same(k, o, newer)); err != nil {
			return fmt.Errorf("get with %s handle: %w", what, err)
		}
	}
	if err := s.remove(ctx, k, newer); err != nil {
		return fmt.Errorf("delete with the older handle: %w", err)
	}
	return s.absent(ctx, k, d.tag.ID)
}

func staleAttempt(ctx context.Context, s *Session, k kind, d draft) error {
	late, err := s.hold(ctx, k, d)
	if err != nil {
		return err
	}
	made, err := s.make(ctx, k, d)
	if err != nil {
		return err
	}
	if err := reason("the attempt before", late.release(ctx), fault.Fenced); err != nil {
		return err
	}
	now, err := k.get(ctx, s.client, d.tag.ID)
	if err == nil && now.BackendRef != made.BackendRef {
		err = fmt.Errorf("the attempt before made %q of %q", now.BackendRef, made.BackendRef)
	}
	return errors.Join(err, s.ready(ctx, k, d.tag))
}

func lateCopy(ctx context.Context, s *Session, k kind, d draft) error {
	late, err := s.hold(ctx, k, d)
	if err != nil {
		return err
	}
	for generation := range int64(2) {
		tag := d.tag
		tag.Generation, tag.SpecDigest = generation+1, fmt.Sprintf("%s%d", digestPrefix, generation+1)
		if _, err := s.makeAs(ctx, k, d, tag); err != nil {
			return err
		}
		d.tag = tag
	}
	return errors.Join(reason("a late copy of the first Apply", late.release(ctx), fault.Fenced), s.ready(ctx, k, d.tag))
}

func unknownFields(ctx context.Context, s *Session, k kind, d draft) error {
	client := wire.NewClient(future{s.cc})
	s.remember(k, d.tag)
	o, err := d.apply(ctx, client, s.nextFence(), d.tag)
	if err != nil {
		return err
	}
	if _, err := s.settle(ctx, k, d.tag, o); err != nil {
		return err
	}
	if _, err := k.get(ctx, client, d.tag.ID); err != nil {
		return err
	}
	_, _, err = k.delete(ctx, client, s.nextFence(), d.tag)
	return errors.Join(err, s.vanished(ctx, k, d.tag))
}

// future is a connection of a core that knows more fields than there are.
type future struct{ grpc.ClientConnInterface }

// Invoke implements grpc.ClientConnInterface.
func (f future) Invoke(ctx context.Context, method string, req, reply any, o ...grpc.CallOption) error {
	addUnknown(req.(proto.Message).ProtoReflect())
	return f.ClientConnInterface.Invoke(ctx, method, req, reply, o...)
}

// addUnknown puts a field that nobody knows into a message, and into those that it holds.
func addUnknown(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if field.Message() != nil && !field.IsList() && !field.IsMap() {
			addUnknown(v.Message())
		}
		return true
	})
	raw := protowire.AppendTag(nil, aFieldFromTheFuture, protowire.BytesType)
	m.SetUnknown(protowire.AppendString(raw, "hello"))
}

// listMessages pass before a List is cut off: the request, and one object.
const listMessages = 2

func listCut(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	drafts := make([]draft, s.atMost(3))
	for i := range drafts {
		if drafts[i], err = k.draft(ctx, s); err != nil {
			return err
		}
		if _, err := s.make(ctx, k, drafts[i]); err != nil {
			return err
		}
	}
	cut := wire.NewClient(faultProxy{ClientConnInterface: latest{s}, stream: cutStream(listMessages)})
	if _, err := k.list(ctx, cut); fault.CodeOf(err) != fault.Unavailable {
		return fmt.Errorf("a List that was cut off: %w", orSucceeded(err))
	}
	all, err := k.list(ctx, s.client)
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for _, o := range all {
		seen[o.ID]++
	}
	for _, d := range drafts {
		if seen[d.tag.ID] != 1 {
			return fmt.Errorf("after a cut %s %s is listed %d times; it must be once", k.name, d.tag.ID, seen[d.tag.ID])
		}
	}
	return nil
}

func cancelUnknown(ctx context.Context, s *Session) error {
	k, d, err := s.anyMade(ctx)
	if err != nil {
		return err
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	ids := map[provider.Kind][]string{k.name: {d.tag.ID}}
	for _, other := range kinds() {
		ids[other.name] = append(ids[other.name], s.runner.NewID())
	}
	for name, all := range ids {
		for _, id := range all {
			outcome, err := s.promptly(ctx, name, id)
			if err == nil && outcome != wire.NothingRunning {
				err = fmt.Errorf("nothing runs, and Cancel of %s %s answers %q", name, id, outcome)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func misplacedSecret(ctx context.Context, s *Session) error {
	config, err := s.params.config()
	if err != nil {
		return err
	}
	for _, pointer := range []string{"/" + unknownKeys[0], "/a/b/c"} {
		_, err := pb.NewProviderServiceClient(s.cc).Configure(ctx, &pb.ConfigureRequest{
			Generation: 2, ConfigJson: string(config), FenceFloor: s.fence, Secrets: map[string][]byte{pointer: []byte(canary)},
		})
		refused := wire.FromStatus(err)
		if err := errors.Join(reason("a secret for "+pointer, refused, fault.InvalidField), silent("the refusal", err)); err != nil {
			return err
		}
	}
	return nil
}
