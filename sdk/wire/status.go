// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// ErrorDomain is the domain of the ErrorInfo that goes with every error.
const ErrorDomain = "rhyzome"

// ToStatus turns an error into what a gRPC handler returns: the fault's code and message, one ErrorInfo with its
// reason, a BadRequest if fields are to blame. Causes stay behind: they are for the log of this side.
func ToStatus(err error) error {
	f := fault.Of(err)
	if f == nil {
		return nil
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{
		Reason: reasonToWire(f.Reason), Domain: ErrorDomain, Metadata: validMap(f.Metadata),
	}}
	if len(f.Fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range f.Fields {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: valid(v.Field), Description: valid(v.Description),
			})
		}
		details = append(details, bad)
	}
	st := status.New(code(f), valid(f.Message))
	if detailed, err := st.WithDetails(details...); err == nil {
		st = detailed
	}
	return st.Err()
}

// FromStatus turns what a gRPC call returned into a fault, so that errors.Is finds its reason. A status without our
// ErrorInfo comes from gRPC itself: Unavailable is then fault.ProviderAway, Unimplemented fault.NoCapability, a
// context's end fault.RequestCanceled or fault.Timeout, and anything else fault.Bug.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return err
	}
	st, ok := status.FromError(err)
	if !ok {
		return fault.Of(err)
	}
	f := &fault.Error{Code: fault.Code(st.Code()), Message: st.Message(), Err: err}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == ErrorDomain {
				f.Reason, f.Metadata = reasonFromWire(d.GetReason()), d.GetMetadata()
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				f.Fields = append(f.Fields, fault.FieldViolation{Field: v.GetField(), Description: v.GetDescription()})
			}
		}
	}
	if f.Reason == "" {
		return transportFault(st, err)
	}
	return f
}

func transportFault(st *status.Status, err error) *fault.Error {
	switch st.Code() {
	case codes.Unavailable:
		return &fault.Error{Code: fault.Unavailable, Reason: fault.ProviderAway, Message: "the provider cannot be reached", Err: err}
	case codes.Unimplemented:
		return &fault.Error{Code: fault.Unimplemented, Reason: fault.NoCapability, Message: "the provider does not offer this", Err: err}
	case codes.Canceled:
		return fault.Of(context.Canceled)
	case codes.DeadlineExceeded:
		return fault.Of(context.DeadlineExceeded)
	}
	return &fault.Error{Code: fault.Code(st.Code()), Reason: fault.Bug, Message: "the call failed: " + st.Message(), Err: err}
}

// code keeps a fault that was made without a code from becoming OK.
func code(f *fault.Error) codes.Code {
	if f.Code == fault.OK {
		return codes.Code(f.Reason.Code())
	}
	return codes.Code(f.Code)
}

func reasonToWire(r fault.Reason) string   { return strings.ToUpper(string(r)) }
func reasonFromWire(s string) fault.Reason { return fault.Reason(strings.ToLower(s)) }

// valid keeps a message that holds a backend's raw bytes from making the whole status unmarshallable.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func validMap(m map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[valid(k)] = valid(v)
	}
	return out
}

func failureToProto(f *fault.Error) *pb.Failure {
	if f == nil {
		return nil
	}
	out := &pb.Failure{
		Code: int32(code(f)), Reason: reasonToWire(f.Reason), Message: valid(f.Message), Metadata: validMap(f.Metadata),
	}
	for _, v := range f.Fields {
		out.FieldViolations = append(out.FieldViolations, &pb.FieldViolation{Field: valid(v.Field), Description: valid(v.Description)})
	}
	return out
}

func failureFromProto(f *pb.Failure) *fault.Error {
	if f == nil {
		return nil
	}
	out := &fault.Error{
		Code: fault.Code(f.GetCode()), Reason: reasonFromWire(f.GetReason()), Message: f.GetMessage(), Metadata: f.GetMetadata(),
	}
	for _, v := range f.GetFieldViolations() {
		out.Fields = append(out.Fields, fault.FieldViolation{Field: v.GetField(), Description: v.GetDescription()})
	}
	return out
}
