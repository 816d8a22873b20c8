// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Limits of ExecInstance.
const (
	MaxExecTime   = 25 * time.Second
	MaxExecInput  = 64 << 10 // of argv, and of stdin
	MaxExecOutput = 1 << 20  // of stdout, and of stderr
)

// ExecInstance runs a program in a guest, unless operationID did so already: fault.BadState then. It is killed after
// timeout, with fault.Timeout; 0 for MaxExecTime.
func (c *Client) ExecInstance(
	ctx context.Context, fence uint64, id, operationID string, e provider.Execution, timeout time.Duration,
) (provider.Executed, error) {
	req := ExecutionToProto(e)
	req.Command, req.OperationId = CommandToProto(fence, provider.Tag{ID: id, BackendHandle: provider.HandleFrom(ctx)}), operationID
	if timeout > 0 {
		req.Timeout = durationpb.New(timeout)
	}
	resp, err := call(ctx, c.exec.ExecInstance, req)
	return convert(resp, err, ExecutedFromProto)
}

// ExecutionToProto converts a program to run, without whose it is and for what.
func ExecutionToProto(e provider.Execution) *pb.ExecInstanceRequest {
	return &pb.ExecInstanceRequest{Argv: e.Argv, Stdin: e.Stdin}
}

// ExecutionFromProto is the inverse of ExecutionToProto.
func ExecutionFromProto(r *pb.ExecInstanceRequest) (provider.Execution, error) {
	return provider.Execution{Argv: r.GetArgv(), Stdin: r.GetStdin()}, nil
}

// ExecutedToProto converts what came of a program.
func ExecutedToProto(e provider.Executed) *pb.ExecInstanceResponse {
	return &pb.ExecInstanceResponse{
		ExitCode: int32(e.ExitCode), Stdout: e.Stdout, Stderr: e.Stderr,
		StdoutTruncated: e.StdoutTruncated, StderrTruncated: e.StderrTruncated,
	}
}

// ExecutedFromProto is the inverse of ExecutedToProto.
func ExecutedFromProto(r *pb.ExecInstanceResponse) (provider.Executed, error) {
	return provider.Executed{
		ExitCode: int(r.GetExitCode()), Stdout: r.GetStdout(), Stderr: r.GetStderr(),
		StdoutTruncated: r.GetStdoutTruncated(), StderrTruncated: r.GetStderrTruncated(),
	}, nil
}
