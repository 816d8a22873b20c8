// SPDX-License-Identifier: Apache-2.0

package older

import (
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
)

// past is a contract in which a host had only an id, and no provider could be drained.
func past(t *testing.T) *Contract {
	t.Helper()
	path := filepath.Join(t.TempDir(), "contract.binpb")
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("past.proto"), Package: proto.String("rhyzome.provider.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Host"), Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("id"), Number: proto.Int32(1), JsonName: proto.String("id"),
				Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}}},
			{Name: proto.String("ListHostsResponse"), Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("hosts"), Number: proto.Int32(1), JsonName: proto.String("hosts"),
				TypeName: proto.String(".rhyzome.provider.v1.Host"),
				Type:     descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(),
			}}},
			{Name: proto.String("DescribeRequest")}, {Name: proto.String("DescribeResponse")},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("ProviderService"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String("Describe"), InputType: proto.String(".rhyzome.provider.v1.DescribeRequest"),
				OutputType: proto.String(".rhyzome.provider.v1.DescribeResponse"),
			}},
		}},
	}}}
	content, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestForget(t *testing.T) {
	c := past(t)
	hosts := &pb.ListHostsResponse{Hosts: []*pb.Host{{Id: "a", Name: "b", Architecture: "x86_64"}}}
	hosts.Hosts[0].ProtoReflect().SetUnknown(protowire.AppendTag(nil, 99, protowire.VarintType))
	hosts.Hosts[0].ProtoReflect().SetUnknown(protowire.AppendVarint(hosts.Hosts[0].ProtoReflect().GetUnknown(), 7))
	if err := c.Forget(hosts); err != nil {
		t.Fatal(err)
	}
	if want := (&pb.ListHostsResponse{Hosts: []*pb.Host{{Id: "a"}}}); !proto.Equal(hosts, want) {
		t.Errorf("hosts = %v", hosts)
	}
	untouched := &pb.Router{Id: "a", Name: "b"} // not in that contract at all
	if err := c.Forget(untouched); err != nil || untouched.GetName() != "b" {
		t.Errorf("router = %v, %v", untouched, err)
	}
}

func TestHas(t *testing.T) {
	c := past(t)
	for method, want := range map[string]bool{
		"/rhyzome.provider.v1.ProviderService/Describe": true,
		"/rhyzome.provider.v1.ProviderService/Drain":    false,
		"/rhyzome.provider.v1.PeerService/ListPeers":    false,
		"/grpc.health.v1.Health/Check":                  true,
	} {
		if c.Has(method) != want {
			t.Errorf("Has(%s) = %v", method, !want)
		}
	}
}
