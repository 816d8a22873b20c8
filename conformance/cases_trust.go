// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// canary is a secret that must not be seen again. Nothing else looks like it.
const canary = "canary-7f3a9c51e2"

// hostile is text that breaks out of quotes, XML, UCI and shells that were built by pasting.
const hostile = "]]></domain><x a=\"' $(touch /tmp/x) `reboot` ; & | \\\n\toption force '1'\n\u202e\u0301 %n %s {{.}} "

// largeMessage is larger than any message of the contract may be.
const largeMessage = 16<<20 + 1<<10

// trustCases are about what must not be repeated, and what must not do harm.
func trustCases() []Case {
	return []Case{
		{
			ID: "PROVIDER-STATIC-001", Level: Must,
			Title:    "Describe says the same, whatever happens",
			Sentence: "What Describe answers MUST stay the same as long as the process lives.",
			Fix:      "Derive nothing in Describe from the configuration or the backend.",
			Catches:  []string{"describes its mood"},
			Run:      describeStays,
		},
		{
			ID: "PROVIDER-SECRET-001", Level: Must,
			Title:    "A fault of the configuration does not repeat its values",
			Sentence: "Configure MUST NOT repeat values of the configuration in its faults: they may be secrets.",
			Fix:      "Say which field is at fault and what it must be, not what it was.",
			Catches:  []string{"quotes its configuration"},
			Run:      secretConfig,
		},
		{
			ID: "PROVIDER-LARGE-001", Level: Must,
			Title:    "A message that is too large does no harm",
			Sentence: "A message larger than 16 MiB MUST be refused, and do no harm beyond that.",
			Fix:      "Leave the limit of your gRPC library in force, and do not end the process for it.",
			Catches:  []string{"dies of large messages"},
			Run:      largeMessages,
		},
		{
			ID: "WATCH-RESUME-001", Level: Must,
			Title:    "A token to resume by that is not known means a snapshot",
			Sentence: "A provider that cannot resume by the token that it is given MUST send a full snapshot.",
			Fix:      "Treat an unknown resume_token as none.",
			Catches:  []string{"resumes what it does not know"},
			Run:      watchResume,
		},
		{
			ID: "INSTANCE-SECRET-001", Level: Must, Needs: wire.ServiceCompute,
			Title:    "User data is not seen again",
			Sentence: "The content of cloud_init MUST NOT appear in answers, errors, Watch or logs: it may hold secrets.",
			Fix:      "Do not log specs, and do not put what the backend printed about them into errors.",
			Catches:  []string{"shows what it was told", "puts secrets into the details"},
			Run:      secretUserData,
		},
		{
			ID: "INSTANCE-HOSTILE-001", Level: Must, Needs: wire.ServiceCompute,
			Title:    "Text that breaks out of quotes stays text",
			Sentence: "Text that the contract leaves free MUST be carried unchanged, whatever characters are in it, or refused with INVALID_FIELD.",
			Fix:      "Write XML, UCI and command lines with a library or as lists of arguments, never by pasting.",
			Catches:  []string{"pastes text into documents"},
			Run:      hostileText,
		},
	}
}

func describeStays(ctx context.Context, s *Session) error {
	before, err := s.client.Describe(ctx)
	if err != nil {
		return err
	}
	if _, _, err := s.anyMade(ctx); err != nil {
		return err
	}
	if err := s.Configure(ctx); err != nil {
		return err
	}
	after, err := s.client.Describe(ctx)
	if err == nil && !reflect.DeepEqual(before, after) {
		err = fmt.Errorf("it was %+v, and is %+v", before, after)
	}
	return err
}

func secretConfig(ctx context.Context, s *Session) error {
	config := map[string]any{}
	for k, v := range s.params.Config {
		config[k] = v
	}
	config[unknownKeys[0]] = map[string]string{"password": canary}
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	_, err = s.client.Configure(ctx, 1, raw, s.fence)
	return errors.Join(reason("an unknown key", err, fault.InvalidField), silent("the fault", err), s.Configure(ctx))
}

// silent checks that an error, with all that it carries, does not hold the canary.
func silent(what string, err error) error {
	if err == nil {
		return nil
	}
	if text := fmt.Sprintf("%v %+v %s", err, fault.Of(err), explained(err)); strings.Contains(text, canary) {
		return fmt.Errorf("%s repeats the secret: %s", what, text)
	}
	return nil
}

func largeMessages(ctx context.Context, s *Session) error {
	before, err := s.client.Describe(ctx)
	if err != nil {
		return err
	}
	req := &pb.DescribeRequest{}
	raw := protowire.AppendTag(nil, aFieldFromTheFuture, protowire.BytesType)
	req.ProtoReflect().SetUnknown(protowire.AppendBytes(raw, make([]byte, largeMessage)))
	if _, err := pb.NewProviderServiceClient(s.cc).Describe(ctx, req); err == nil {
		return fmt.Errorf("a message of %d bytes was accepted", largeMessage)
	}
	after, err := s.client.Describe(ctx)
	if err == nil && after.ProcessID != before.ProcessID {
		err = errors.New("the process died of it")
	}
	return err
}

func watchResume(ctx context.Context, s *Session) error {
	k, d, err := s.anyMade(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.params.Timeout)
	defer cancel()
	stream, err := pb.NewProviderServiceClient(s.cc).Watch(ctx, &pb.WatchRequest{ResumeToken: "no-such-token"})
	if err != nil {
		return wire.FromStatus(err)
	}
	seen := false
	for {
		m, err := stream.Recv()
		if err != nil {
			return wire.FromStatus(err)
		}
		e, err := wire.EventFromProto(m)
		if err != nil {
			return err
		}
		if o := k.event(e); o != nil && o.ID == d.tag.ID {
			seen = true
		}
		if e.SnapshotEnd && !seen {
			return fmt.Errorf("the snapshot ended without the %s", k.name)
		}
		if e.SnapshotEnd {
			return nil
		}
	}
}

// told is an instance with text of somebody's in all that the contract leaves free.
func (s *Session) told(text string) provider.InstanceSpec {
	spec := s.instanceSpec()
	spec.CloudInit = &provider.CloudInit{
		UserData: "#cloud-config\n# " + text + "\n", MetaData: "instance-id: " + spec.ID + "\n",
	}
	if spec.Kind == provider.InstanceUnikernel {
		spec.CloudInit = nil
		spec.CommandLine = text
	}
	return spec
}

func secretUserData(ctx context.Context, s *Session) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pb.NewProviderServiceClient(s.cc).Watch(ctx, &pb.WatchRequest{})
	if err != nil {
		return wire.FromStatus(err)
	}
	shownTo := make(chan error, 1)
	ready := make(chan struct{})
	spec := s.told(canary)
	go func() { shownTo <- listenForCanary(stream, spec.ID, ready) }()

	bad := spec
	bad.VCPUs = 0
	_, badErr := s.apply(ctx, instanceKind(), applyInstance(bad), bad.Tag)
	missing := s.told(canary)
	missing.HostID = "no-such-host"
	_, missingErr := s.apply(ctx, instanceKind(), applyInstance(missing), missing.Tag)
	if err := errors.Join(silent("the refusal", badErr), silent("the refusal", missingErr)); err != nil {
		return err
	}
	if _, err := s.make(ctx, instanceKind(), applyInstance(spec)); err != nil {
		return err
	}
	got, err := pb.NewInstanceServiceClient(s.cc).GetInstance(ctx, &pb.GetInstanceRequest{Id: spec.ID})
	if err != nil {
		return wire.FromStatus(err)
	}
	if text := protojson.Format(got); strings.Contains(text, canary) {
		return fmt.Errorf("GetInstance repeats the secret: %s", text)
	}
	select {
	case <-ready:
	case err := <-shownTo:
		return err
	case <-time.After(s.params.Timeout):
		return fmt.Errorf("the watch did not show the instance within %s", s.params.Timeout)
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.remove(ctx, instanceKind(), spec.Tag); err != nil {
		return err
	}
	cancel()
	return <-shownTo
}

// listenForCanary reads a watch until it ends. It closes ready when the instance was seen.
func listenForCanary(stream pb.ProviderService_WatchClient, id string, ready chan<- struct{}) error {
	seen := false
	for {
		m, err := stream.Recv()
		if status.Code(err) == codes.Canceled {
			return nil // by the caller
		}
		if err != nil {
			return wire.FromStatus(err)
		}
		if text := protojson.Format(m); strings.Contains(text, canary) {
			return fmt.Errorf("the watch repeats the secret: %s", text)
		}
		if m.GetInstance().GetObserved().GetId() == id && m.GetInstance().GetObserved().GetPhase() == pb.Phase_PHASE_READY && !seen {
			seen = true
			close(ready)
		}
	}
}

func hostileText(ctx context.Context, s *Session) error {
	k := instanceKind()
	d := applyInstance(s.told(hostile))
	_, before, err := s.listed(ctx, k, d.tag.ID)
	if err != nil {
		return err
	}
	o, err := s.apply(ctx, k, d, d.tag)
	if err == nil {
		_, err = s.settle(ctx, k, d.tag, o)
	}
	if errors.Is(err, &fault.Error{Reason: fault.InvalidField}) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.grewByOne(ctx, k, d.tag, before); err != nil {
		return err
	}
	if err := s.remove(ctx, k, d.tag); err != nil {
		return err
	}
	return s.absent(ctx, k, d.tag.ID)
}
