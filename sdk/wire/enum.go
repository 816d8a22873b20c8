// SPDX-License-Identifier: Apache-2.0

package wire

import (
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// The tables of names. A value that is missing on either side becomes the other side's zero value.
var (
	kinds = map[provider.Kind]pb.Kind{
		provider.KindInstance: pb.Kind_KIND_INSTANCE,
		provider.KindNetwork:  pb.Kind_KIND_NETWORK,
		provider.KindPort:     pb.Kind_KIND_PORT,
		provider.KindPeer:     pb.Kind_KIND_PEER,
		provider.KindImage:    pb.Kind_KIND_IMAGE,
		provider.KindForward:  pb.Kind_KIND_FORWARD,
		provider.KindVolume:   pb.Kind_KIND_VOLUME,
		provider.KindSnapshot: pb.Kind_KIND_SNAPSHOT,
	}
	phases = map[provider.Phase]pb.Phase{
		provider.PhaseProgressing: pb.Phase_PHASE_PROGRESSING,
		provider.PhaseReady:       pb.Phase_PHASE_READY,
		provider.PhaseFailed:      pb.Phase_PHASE_FAILED,
		provider.PhaseDeleting:    pb.Phase_PHASE_DELETING,
	}
	instanceKinds = map[provider.InstanceKind]pb.InstanceKind{
		provider.InstanceVM:        pb.InstanceKind_INSTANCE_KIND_VM,
		provider.InstanceUnikernel: pb.InstanceKind_INSTANCE_KIND_UNIKERNEL,
	}
	powers = map[provider.PowerState]pb.Power{
		provider.PowerRunning: pb.Power_POWER_RUNNING,
		provider.PowerStopped: pb.Power_POWER_STOPPED,
	}
	migrationModes = map[provider.MigrationMode]pb.Migration{
		provider.MigrationLive:       pb.Migration_MIGRATION_LIVE,
		provider.MigrationStopped:    pb.Migration_MIGRATION_STOPPED,
		provider.MigrationImpossible: pb.Migration_MIGRATION_IMPOSSIBLE,
	}
	egresses = map[provider.Egress]pb.Egress{
		provider.EgressNone: pb.Egress_EGRESS_NONE,
		provider.EgressNAT:  pb.Egress_EGRESS_NAT,
	}
	protocols = map[provider.Protocol]pb.Protocol{
		provider.ProtocolTCP: pb.Protocol_PROTOCOL_TCP,
		provider.ProtocolUDP: pb.Protocol_PROTOCOL_UDP,
	}
	states = map[State]pb.Status_State{
		StateReady:    pb.Status_STATE_READY,
		StateDegraded: pb.Status_STATE_DEGRADED,
		StateDraining: pb.Status_STATE_DRAINING,
		StateDrained:  pb.Status_STATE_DRAINED,
	}
	outcomes = map[Outcome]pb.CancelResponse_Outcome{
		Canceled:       pb.CancelResponse_OUTCOME_CANCELED,
		TooLate:        pb.CancelResponse_OUTCOME_TOO_LATE,
		NothingRunning: pb.CancelResponse_OUTCOME_NOTHING_RUNNING,
	}
)

// name finds the Go name of a wire value: "" if there is none.
func name[N ~string, V comparable](table map[N]V, value V) N {
	for n, v := range table {
		if v == value {
			return n
		}
	}
	return ""
}

// KindFromProto converts a kind; what is unknown becomes "".
func KindFromProto(k pb.Kind) provider.Kind { return name(kinds, k) }

// Outcome of a Cancel.
type Outcome string

// The outcomes.
const (
	Canceled       Outcome = "canceled"
	TooLate        Outcome = "too_late" // the work goes on to its end, or ended before it could be stopped
	NothingRunning Outcome = "nothing_running"
)

// OutcomeToProto converts the outcome of a Cancel.
func OutcomeToProto(o Outcome) pb.CancelResponse_Outcome { return outcomes[o] }
