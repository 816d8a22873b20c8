// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"regexp"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func toleranceCases() []Case {
	return []Case{
		{
			ID: "ERROR-INFO-001", Level: Must,
			Title:    "An error carries one ErrorInfo",
			Sentence: "Every error MUST carry a gRPC code and exactly one google.rpc.ErrorInfo of the domain rhyzome, whose reason is in UPPER_SNAKE_CASE.",
			Fix:      "Attach the detail to the status; the core acts on the reason, never on the text.",
			Catches:  []string{"says it twice", "says errors in words only"},
			Run:      oneErrorInfo,
		},
		{
			ID: "TOLERANCE-FIELD-001", Level: Must,
			Title:    "Unknown fields are ignored",
			Sentence: "Receivers MUST ignore fields that they do not know: within a major version fields are only added.",
			Fix:      "Decode with a library that skips unknown fields, and do not reject messages that have some.",
			Catches:  []string{"refuses the future's fields"},
			Run:      unknownField,
		},
		{
			ID: "TOLERANCE-ENUM-001", Level: Must,
			Title:    "Unknown enum values are no crime",
			Sentence: "Receivers MUST ignore enum values that they do not know.",
			Fix:      "Answer as if there were nothing of that kind.",
			Catches:  []string{"refuses the future's values"},
			Run:      unknownEnum,
		},
	}
}

var upperSnake = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)

func oneErrorInfo(ctx context.Context, s *Session) error {
	k, err := s.offeredKind()
	if err != nil {
		return err
	}
	_, err = k.get(ctx, s.client, s.runner.NewID())
	st, ok := status.FromError(err) // finds the status that the fault came from
	if err == nil || !ok || st.Code() != codes.NotFound {
		return fmt.Errorf("get of nothing: %w", orSucceeded(err))
	}
	var infos []*errdetails.ErrorInfo
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			infos = append(infos, info)
		}
	}
	if len(infos) != 1 || infos[0].GetDomain() != wire.ErrorDomain || !upperSnake.MatchString(infos[0].GetReason()) {
		return fmt.Errorf("the error carries %v", infos)
	}
	return nil
}

// aFieldFromTheFuture is a number that the contract does not use.
const aFieldFromTheFuture = 12345

func unknownField(ctx context.Context, s *Session) error {
	req := &pb.DescribeRequest{}
	raw := protowire.AppendTag(nil, aFieldFromTheFuture, protowire.BytesType)
	req.ProtoReflect().SetUnknown(protowire.AppendString(raw, "hello"))
	if _, err := pb.NewProviderServiceClient(s.cc).Describe(ctx, req); err != nil {
		return wire.FromStatus(err)
	}
	return nil
}

func unknownEnum(ctx context.Context, s *Session) error {
	resp, err := pb.NewProviderServiceClient(s.cc).Cancel(ctx, &pb.CancelRequest{
		Kind: aFieldFromTheFuture, Id: s.runner.NewID(), Fence: s.nextFence(),
	})
	if err != nil {
		return wire.FromStatus(err)
	}
	if resp.GetOutcome() != pb.CancelResponse_OUTCOME_NOTHING_RUNNING {
		return fmt.Errorf("an unknown kind is canceled with %s", resp.GetOutcome())
	}
	return nil
}
