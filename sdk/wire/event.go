// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"log/slog"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Event is one message of Watch. One field is set, or none: then the provider is newer than we are.
type Event struct {
	SnapshotEnd bool       // everything that is there has been sent; changes follow
	Heartbeat   *time.Time // the provider's clock
	Status      *Status
	Host        *provider.Host
	Router      *provider.Router
	Instance    *provider.Instance
	Network     *provider.Network
	Port        *provider.Port
	Peer        *provider.Peer
	Forward     *provider.Forward
	Volume      *provider.Volume
	Snapshot    *provider.Snapshot
	Pool        *provider.Pool
	Removed     *Removed
	Log         *LogRecord
}

// Status is the provider's own condition.
type Status struct {
	State   State
	Message string
}

// State of a provider.
type State string

// The states. A provider that is degraded serves, but its backend does not answer or refuses it.
const (
	StateReady    State = "ready"
	StateDegraded State = "degraded"
	StateDraining State = "draining"
	StateDrained  State = "drained"
)

// Removed says that an object which was reported before is gone from the backend.
type Removed struct {
	Kind provider.Kind
	ID   string
}

// LogRecord is a line of the provider's log.
type LogRecord struct {
	At         time.Time
	Level      slog.Level
	Message    string
	Attributes map[string]string
}

// EventToProto converts one message of Watch.
func EventToProto(e Event) *pb.WatchResponse {
	switch {
	case e.SnapshotEnd:
		return &pb.WatchResponse{Event: &pb.WatchResponse_SnapshotEnd{SnapshotEnd: &pb.SnapshotEnd{}}}
	case e.Heartbeat != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Heartbeat{Heartbeat: &pb.Heartbeat{At: timestamppb.New(*e.Heartbeat)}}}
	case e.Status != nil:
		s := &pb.Status{State: states[e.Status.State], Message: valid(e.Status.Message)}
		return &pb.WatchResponse{Event: &pb.WatchResponse_Status{Status: s}}
	case e.Host != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Host{Host: HostToProto(*e.Host)}}
	case e.Router != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Router{Router: RouterToProto(*e.Router)}}
	case e.Instance != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Instance{Instance: InstanceToProto(*e.Instance)}}
	case e.Network != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Network{Network: NetworkToProto(*e.Network)}}
	case e.Port != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Port{Port: PortToProto(*e.Port)}}
	case e.Peer != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Peer{Peer: PeerToProto(*e.Peer)}}
	case e.Forward != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Forward{Forward: ForwardToProto(*e.Forward)}}
	case e.Volume != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Volume{Volume: VolumeToProto(*e.Volume)}}
	case e.Snapshot != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Snapshot{Snapshot: SnapshotToProto(*e.Snapshot)}}
	case e.Pool != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Pool{Pool: PoolToProto(*e.Pool)}}
	case e.Removed != nil:
		r := &pb.Removed{Kind: kinds[e.Removed.Kind], Id: e.Removed.ID}
		return &pb.WatchResponse{Event: &pb.WatchResponse_Removed{Removed: r}}
	case e.Log != nil:
		return &pb.WatchResponse{Event: &pb.WatchResponse_Log{Log: logToProto(*e.Log)}}
	}
	return &pb.WatchResponse{}
}

// EventFromProto is the inverse of EventToProto. fault.InvalidField if a prefix or address cannot be parsed.
func EventFromProto(m *pb.WatchResponse) (Event, error) {
	switch e := m.GetEvent().(type) {
	case *pb.WatchResponse_SnapshotEnd:
		return Event{SnapshotEnd: true}, nil
	case *pb.WatchResponse_Heartbeat:
		at := timeFromProto(e.Heartbeat.GetAt())
		return Event{Heartbeat: &at}, nil
	case *pb.WatchResponse_Status:
		return Event{Status: &Status{State: name(states, e.Status.GetState()), Message: e.Status.GetMessage()}}, nil
	case *pb.WatchResponse_Host:
		v, err := HostFromProto(e.Host)
		return Event{Host: &v}, err
	case *pb.WatchResponse_Router:
		v, err := RouterFromProto(e.Router)
		return Event{Router: &v}, err
	case *pb.WatchResponse_Instance:
		v, err := InstanceFromProto(e.Instance)
		return Event{Instance: &v}, err
	case *pb.WatchResponse_Network:
		v, err := NetworkFromProto(e.Network)
		return Event{Network: &v}, err
	case *pb.WatchResponse_Port:
		v, err := PortFromProto(e.Port)
		return Event{Port: &v}, err
	case *pb.WatchResponse_Peer:
		v, err := PeerFromProto(e.Peer)
		return Event{Peer: &v}, err
	case *pb.WatchResponse_Forward:
		v, err := ForwardFromProto(e.Forward)
		return Event{Forward: &v}, err
	case *pb.WatchResponse_Volume:
		v, err := VolumeFromProto(e.Volume)
		return Event{Volume: &v}, err
	case *pb.WatchResponse_Snapshot:
		v, err := SnapshotFromProto(e.Snapshot)
		return Event{Snapshot: &v}, err
	case *pb.WatchResponse_Pool:
		v, err := PoolFromProto(e.Pool)
		return Event{Pool: &v}, err
	case *pb.WatchResponse_Removed:
		return Event{Removed: &Removed{Kind: KindFromProto(e.Removed.GetKind()), ID: e.Removed.GetId()}}, nil
	case *pb.WatchResponse_Log:
		l := logFromProto(e.Log)
		return Event{Log: &l}, nil
	}
	return Event{}, nil
}

func logToProto(l LogRecord) *pb.LogRecord {
	return &pb.LogRecord{
		At: timeToProto(l.At), Level: int32(l.Level), Message: valid(l.Message), Attributes: validMap(l.Attributes),
	}
}

func logFromProto(l *pb.LogRecord) LogRecord {
	return LogRecord{
		At: timeFromProto(l.GetAt()), Level: slog.Level(l.GetLevel()), Message: l.GetMessage(), Attributes: l.GetAttributes(),
	}
}
