// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

type execServer struct {
	pb.UnimplementedExecServiceServer
	e *Engine
}

func (s *execServer) ExecInstance(ctx context.Context, req *pb.ExecInstanceRequest) (*pb.ExecInstanceResponse, error) {
	done, err := s.e.execute(withHandle(ctx, req.GetCommand()), req)
	if err != nil {
		return nil, s.e.status("exec instance", err)
	}
	done.Stdout, done.StdoutTruncated = cut(done.Stdout, done.StdoutTruncated)
	done.Stderr, done.StderrTruncated = cut(done.Stderr, done.StderrTruncated)
	return wire.ExecutedToProto(done), nil
}

func cut(output []byte, truncated bool) ([]byte, bool) {
	if len(output) <= wire.MaxExecOutput {
		return output, truncated
	}
	return output[:wire.MaxExecOutput], true
}

// executions are the instances that a program runs in.
type executions struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (x *executions) begin(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ids[id] {
		return false
	}
	x.ids[id] = true
	return true
}

func (x *executions) end(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.ids, id)
}

func (e *Engine) execute(ctx context.Context, req *pb.ExecInstanceRequest) (provider.Executed, error) {
	var none provider.Executed
	if err := e.accepts(); err != nil {
		return none, err
	}
	timeout := wire.MaxExecTime
	if req.GetTimeout() != nil {
		timeout = req.GetTimeout().AsDuration()
	}
	x, err := wire.ExecutionFromProto(req)
	if err != nil {
		return none, err
	}
	id, operationID := req.GetCommand().GetId(), req.GetOperationId()
	f := faults(validateID(id))
	f.present("/operation_id", operationID)
	f.execution(x, timeout)
	if err := fault.Join(f...); err != nil {
		return none, err
	}
	if err := e.beginExecution(ctx, req.GetCommand().GetFence(), id, operationID); err != nil {
		return none, err
	}
	defer e.work.left()
	defer e.work.ended()
	defer e.executions.end(id)
	defer e.instances.changed(id)
	return read(ctx, e, "exec instance", timeout, func(ctx context.Context) (provider.Executed, error) {
		return e.exec.ExecInstance(ctx, id, operationID, x)
	})
}

func (f *faults) execution(x provider.Execution, timeout time.Duration) {
	size := 0
	for _, arg := range x.Argv {
		size += len(arg) + 1
		f.add(!strings.Contains(arg, "\x00"), "/argv", "must not hold a NUL byte")
	}
	f.add(len(x.Argv) > 0 && x.Argv[0] != "", "/argv", "must begin with a program")
	f.add(size <= wire.MaxExecInput, "/argv", "must have at most %d bytes", wire.MaxExecInput)
	f.add(len(x.Stdin) <= wire.MaxExecInput, "/stdin", "must have at most %d bytes", wire.MaxExecInput)
	f.add(timeout > 0 && timeout <= wire.MaxExecTime, "/timeout", "must be more than 0, and at most %s", wire.MaxExecTime)
}

// beginExecution admits a program, or says why it must not run. The instance is not held while it runs: whoever deletes
// it does not wait for it.
func (e *Engine) beginExecution(ctx context.Context, fence uint64, id, operationID string) error {
	leave, err := e.instances.gate(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	if err := e.fences.admit(id, fence); err != nil {
		return err
	}
	if _, busy := e.instances.working(id); busy {
		return fault.New(fault.Busy, "instance %s is being worked on", id)
	}
	if !e.executions.begin(id) {
		return fault.New(fault.Busy, "another program runs in instance %s", id)
	}
	i, err := e.instances.look(ctx, id)
	if err == nil && i.LastExecOperationID == operationID {
		err = fault.New(fault.BadState, "operation %s ran its program already; what came of it is unknown", operationID)
	}
	if err == nil {
		err = e.work.begin()
	}
	if err != nil {
		e.executions.end(id)
	}
	return err
}
