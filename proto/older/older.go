// SPDX-License-Identifier: Apache-2.0

// Package older lets a provider of today speak the contract as an earlier release wrote it down, for tests of
// compatibility: calls that the release does not have are UNIMPLEMENTED, and fields that it does not know are lost in both
// directions, as they are in a program that was built then.
package older

import (
	"context"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// contractPackage is the package of the contract; messages of others are left alone.
const contractPackage = "rhyzome.provider.v1."

// Contract is what a release wrote down.
type Contract struct{ files *protoregistry.Files }

// Open reads a contract.binpb that buf build made.
func Open(path string) (*Contract, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(content, &set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	return &Contract{files: files}, err
}

// Has reports whether the contract has a method: "/rhyzome.provider.v1.ProviderService/Describe".
func (c *Contract) Has(method string) bool {
	if !strings.HasPrefix(method, "/"+contractPackage) {
		return true
	}
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	_, err := c.files.FindDescriptorByName(protoreflect.FullName(name))
	return err == nil
}

// Forget takes out of a message what the contract does not know.
func (c *Contract) Forget(message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return nil
	}
	d, _ := c.files.FindDescriptorByName(m.ProtoReflect().Descriptor().FullName())
	then, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil // another package's, which did not change
	}
	wire, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	old := dynamicpb.NewMessage(then)
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(wire, old); err != nil {
		return err
	}
	if wire, err = proto.Marshal(old); err != nil {
		return err
	}
	proto.Reset(m)
	return proto.Unmarshal(wire, m)
}

// ServerOptions make a gRPC server speak it.
func (c *Contract) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(c.unary), grpc.ChainStreamInterceptor(c.stream)}
}

func (c *Contract) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if !c.Has(info.FullMethod) {
		return nil, unimplemented(info.FullMethod)
	}
	if err := c.Forget(req); err != nil {
		return nil, err
	}
	reply, err := handle(ctx, req)
	if err != nil {
		return nil, err
	}
	return reply, c.Forget(reply)
}

func (c *Contract) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if !c.Has(info.FullMethod) {
		return unimplemented(info.FullMethod)
	}
	return handle(server, forgetful{stream, c})
}

type forgetful struct {
	grpc.ServerStream
	contract *Contract
}

// SendMsg implements grpc.ServerStream.
func (f forgetful) SendMsg(m any) error {
	if err := f.contract.Forget(m); err != nil {
		return err
	}
	return f.ServerStream.SendMsg(m)
}

// RecvMsg implements grpc.ServerStream.
func (f forgetful) RecvMsg(m any) error {
	if err := f.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return f.contract.Forget(m)
}

func unimplemented(method string) error {
	return status.Errorf(codes.Unimplemented, "unknown method %s", method)
}
