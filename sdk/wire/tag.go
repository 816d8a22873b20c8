// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// CommandToProto says which object is meant, and by whose right.
func CommandToProto(fence uint64, t provider.Tag) *pb.Command {
	return &pb.Command{
		Id: t.ID, Generation: t.Generation, SpecDigest: t.SpecDigest, Fence: fence, BackendHandle: t.BackendHandle,
	}
}

// CommandFromProto is the inverse of CommandToProto, without the fence.
func CommandFromProto(c *pb.Command) provider.Tag {
	return provider.Tag{
		ID: c.GetId(), Generation: c.GetGeneration(), SpecDigest: c.GetSpecDigest(), BackendHandle: c.GetBackendHandle(),
	}
}

// ObservedToProto converts what is reported of any object.
func ObservedToProto(o provider.Observed) *pb.Observed {
	return &pb.Observed{
		Id: o.ID, Generation: o.Generation, SpecDigest: o.SpecDigest, BackendHandle: o.BackendHandle,
		Phase: phases[o.Phase], Step: valid(o.Step), Percent: unsigned(o.Percent), Failure: failureToProto(o.Failure),
		BackendRef: valid(o.BackendRef), ObservedAt: timeToProto(o.ObservedAt),
	}
}

// ObservedFromProto is the inverse of ObservedToProto.
func ObservedFromProto(o *pb.Observed) provider.Observed {
	return provider.Observed{
		Tag: provider.Tag{
			ID: o.GetId(), Generation: o.GetGeneration(), SpecDigest: o.GetSpecDigest(), BackendHandle: o.GetBackendHandle(),
		},
		Phase: name(phases, o.GetPhase()), Step: o.GetStep(), Percent: int(o.GetPercent()), Failure: failureFromProto(o.GetFailure()),
		BackendRef: o.GetBackendRef(), ObservedAt: timeFromProto(o.GetObservedAt()),
	}
}

func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func timeFromProto(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
