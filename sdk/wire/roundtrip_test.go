// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// roundTrip sends v through protobuf's bytes and back.
func roundTrip[T any, P proto.Message](t *testing.T, v T, toProto func(T) P, fromProto func(P) (T, error)) T {
	t.Helper()
	b, err := proto.Marshal(toProto(v))
	if err != nil {
		t.Fatal(err)
	}
	m := toProto(v)
	proto.Reset(m)
	if err := proto.Unmarshal(b, m); err != nil {
		t.Fatal(err)
	}
	back, err := fromProto(m)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func sure[A, B any](f func(A) B) func(A) (B, error) {
	return func(a A) (B, error) { return f(a), nil }
}

// survives checks that every field of a T survives, at every enum value, and so does the zero T.
func survives[T any, P proto.Message](t *testing.T, toProto func(T) P, fromProto func(P) (T, error)) {
	t.Helper()
	t.Run(reflect.TypeFor[T]().String(), func(t *testing.T) {
		for variant := range len(kinds) {
			var full T
			fill(t, reflect.ValueOf(&full).Elem(), variant, "")
			if diff := cmp.Diff(full, roundTrip(t, full, toProto, fromProto), compare); diff != "" {
				t.Errorf("lost on the way (-sent +received):\n%s", diff)
			}
		}
		var zero T
		if diff := cmp.Diff(zero, roundTrip(t, zero, toProto, fromProto), compare, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("zero value changed (-sent +received):\n%s", diff)
		}
	})
}

// A fault's cause stays behind, by design.
var compare = cmp.Options{
	cmpopts.IgnoreFields(fault.Error{}, "Err"),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestEveryFieldSurvives(t *testing.T) {
	survives(t, instanceSpecToMessage, instanceSpecFromMessage)
	survives(t, networkSpecToMessage, networkSpecFromMessage)
	survives(t, portSpecToMessage, portSpecFromMessage)
	survives(t, peerSpecToMessage, peerSpecFromMessage)
	survives(t, forwardSpecToMessage, forwardSpecFromMessage)
	survives(t, volumeSpecToMessage, volumeSpecFromMessage)
	survives(t, snapshotSpecToMessage, snapshotSpecFromMessage)
	survives(t, InstanceToProto, InstanceFromProto)
	survives(t, NetworkToProto, NetworkFromProto)
	survives(t, PortToProto, PortFromProto)
	survives(t, PeerToProto, PeerFromProto)
	survives(t, ForwardToProto, ForwardFromProto)
	survives(t, VolumeToProto, VolumeFromProto)
	survives(t, PoolToProto, PoolFromProto)
	survives(t, SnapshotToProto, SnapshotFromProto)
	survives(t, InstanceMetricsToProto, InstanceMetricsFromProto)
	survives(t, DriftToProto, DriftFromProto)
	survives(t, PlanToProto, PlanFromProto)
	survives(t, InstanceSizeToProto, sure(InstanceSizeFromProto))
	survives(t, MigrationToProto, sure(MigrationFromProto))
	survives(t, ExecutionToProto, ExecutionFromProto)
	survives(t, ExecutedToProto, ExecutedFromProto)
	survives(t, HostToProto, HostFromProto)
	survives(t, RouterToProto, RouterFromProto)
	survives(t, ImageToProto, ImageFromProto)
	survives(t, DescriptionToProto, sure(DescriptionFromProto))
	survives(t, logToProto, sure(logFromProto))
}

// Specs travel in two parts; their Apply messages hold both.

func instanceSpecToMessage(s provider.InstanceSpec) *pb.ApplyInstanceRequest {
	return &pb.ApplyInstanceRequest{Command: CommandToProto(7, s.Tag), Spec: InstanceSpecToProto(s)}
}

func instanceSpecFromMessage(m *pb.ApplyInstanceRequest) (provider.InstanceSpec, error) {
	return InstanceSpecFromProto(m.GetCommand(), m.GetSpec())
}

func networkSpecToMessage(s provider.NetworkSpec) *pb.ApplyNetworkRequest {
	return &pb.ApplyNetworkRequest{Command: CommandToProto(7, s.Tag), Spec: NetworkSpecToProto(s)}
}

func networkSpecFromMessage(m *pb.ApplyNetworkRequest) (provider.NetworkSpec, error) {
	return NetworkSpecFromProto(m.GetCommand(), m.GetSpec())
}

func portSpecToMessage(s provider.PortSpec) *pb.ApplyPortRequest {
	return &pb.ApplyPortRequest{Command: CommandToProto(7, s.Tag), Spec: PortSpecToProto(s)}
}

func portSpecFromMessage(m *pb.ApplyPortRequest) (provider.PortSpec, error) {
	return PortSpecFromProto(m.GetCommand(), m.GetSpec())
}

func peerSpecToMessage(s provider.PeerSpec) *pb.ApplyPeerRequest {
	return &pb.ApplyPeerRequest{Command: CommandToProto(7, s.Tag), Spec: PeerSpecToProto(s)}
}

func peerSpecFromMessage(m *pb.ApplyPeerRequest) (provider.PeerSpec, error) {
	return PeerSpecFromProto(m.GetCommand(), m.GetSpec())
}

func forwardSpecToMessage(s provider.ForwardSpec) *pb.ApplyForwardRequest {
	return &pb.ApplyForwardRequest{Command: CommandToProto(7, s.Tag), Spec: ForwardSpecToProto(s)}
}

func forwardSpecFromMessage(m *pb.ApplyForwardRequest) (provider.ForwardSpec, error) {
	return ForwardSpecFromProto(m.GetCommand(), m.GetSpec())
}

func volumeSpecToMessage(s provider.VolumeSpec) *pb.ApplyVolumeRequest {
	return &pb.ApplyVolumeRequest{Command: CommandToProto(7, s.Tag), Spec: VolumeSpecToProto(s)}
}

func volumeSpecFromMessage(m *pb.ApplyVolumeRequest) (provider.VolumeSpec, error) {
	return VolumeSpecFromProto(m.GetCommand(), m.GetSpec())
}

func snapshotSpecToMessage(s provider.SnapshotSpec) *pb.ApplySnapshotRequest {
	return &pb.ApplySnapshotRequest{Command: CommandToProto(7, s.Tag), Spec: SnapshotSpecToProto(s)}
}

func snapshotSpecFromMessage(m *pb.ApplySnapshotRequest) (provider.SnapshotSpec, error) {
	return SnapshotSpecFromProto(m.GetCommand(), m.GetSpec())
}

func TestEveryEventSurvives(t *testing.T) { eachSurvives(t, EventToProto, EventFromProto) }

func TestEverySpecSurvives(t *testing.T) { eachSurvives(t, AnySpecToProto, AnySpecFromProto) }

// eachSurvives checks each field of a T alone, since only one is set at a time; a new field is tested as soon as it is
// there.
func eachSurvives[T any, P proto.Message](t *testing.T, toProto func(T) P, fromProto func(P) (T, error)) {
	for i := range reflect.TypeFor[T]().NumField() {
		field := reflect.TypeFor[T]().Field(i)
		t.Run(field.Name, func(t *testing.T) {
			for variant := range len(kinds) {
				var e T
				fill(t, reflect.ValueOf(&e).Elem().Field(i), variant, field.Name)
				if diff := cmp.Diff(e, roundTrip(t, e, toProto, fromProto), compare); diff != "" {
					t.Errorf("lost on the way (-sent +received):\n%s", diff)
				}
			}
		})
	}
}

func TestEnumsHaveEveryValue(t *testing.T) {
	check := func(what string, got, numbers int) {
		if got != numbers-1 { // the zero value has no name
			t.Errorf("%s: %d names for %d values", what, got, numbers-1)
		}
	}
	check("Kind", len(kinds), len(pb.Kind_name))
	check("Phase", len(phases), len(pb.Phase_name))
	check("InstanceKind", len(instanceKinds), len(pb.InstanceKind_name))
	check("Power", len(powers), len(pb.Power_name))
	check("Egress", len(egresses), len(pb.Egress_name))
	check("Protocol", len(protocols), len(pb.Protocol_name))
	check("State", len(states), len(pb.Status_State_name))
	check("Outcome", len(outcomes), len(pb.CancelResponse_Outcome_name))
}

func TestTextThatCannotBeParsed(t *testing.T) {
	_, err := NetworkSpecFromProto(&pb.Command{}, &pb.NetworkSpec{
		Subnets:   []*pb.Subnet{{Cidr: "10.0.0.0/8", Gateway: "10.0.0.1"}, {Cidr: "10.0.0.0/33", Gateway: "x"}},
		Wireguard: &pb.WireGuard{Subnets: []*pb.Subnet{{Cidr: "y", Gateway: "10.0.0.1"}}},
	})
	var got []string
	for _, v := range fault.Of(err).Fields {
		got = append(got, v.Field)
	}
	want := []string{"/subnets/1/cidr", "/subnets/1/gateway", "/wireguard/subnets/0/cidr"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields at fault (-want +got):\n%s", diff)
	}
}

// enums says which values a type of string may have; other strings hold anything.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[provider.Kind]():          names(kinds),
	reflect.TypeFor[provider.Phase]():         names(phases),
	reflect.TypeFor[provider.InstanceKind]():  names(instanceKinds),
	reflect.TypeFor[provider.PowerState]():    names(powers),
	reflect.TypeFor[provider.Egress]():        names(egresses),
	reflect.TypeFor[provider.MigrationMode](): names(migrationModes),
	reflect.TypeFor[provider.Protocol]():      names(protocols),
	reflect.TypeFor[State]():                  names(states),
}

func names[N ~string, V any](table map[N]V) []string {
	var all []string
	for n := range table {
		all = append(all, string(n))
	}
	return all
}

// fill sets every exported field below v to a value that is not zero. Types that it does not know fail the test.
func fill(t *testing.T, v reflect.Value, variant int, path string) {
	t.Helper()
	if path == ".Err" || v.Type() == reflect.TypeFor[error]() {
		return
	}
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", variant, 1+len(path)))))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix(fmt.Sprintf("fd00:%d::/64", 1+variant))))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(int64(1700000000+variant), 123456789).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), variant, path+"."+v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), variant, path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), variant, path+"[0]")
		fill(t, v.Index(1), variant+1, path+"[1]")
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, variant, path+"{key}")
		fill(t, value, variant, path+"{value}")
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(fmt.Sprintf("%s-%d", path, variant))
		if values := enums[v.Type()]; values != nil {
			v.SetString(values[variant%len(values)])
		}
		if v.Type() == reflect.TypeFor[fault.Reason]() {
			v.SetString(string(fault.Reasons[variant].Reason))
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(1 + variant + len(path)))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(1 + variant + len(path)))
	default:
		t.Fatalf("%s: fill does not know %s", path, v.Type())
	}
}
