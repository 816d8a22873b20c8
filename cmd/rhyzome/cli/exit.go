// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// The exit codes: scripts act on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitAbsent      = 3
	exitConflict    = 4
	exitUnreachable = 5
	exitDenied      = 6
	exitUnfinished  = 7
	exitInterrupted = 130
)

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: `The exit codes of rhyzome:

  0    done; with --wait also: the operation succeeded
  1    failed for another reason than those below
  2    the command was called wrongly, or a field of the request has a wrong value
  3    there is nothing of that name
  4    it is in conflict with what is there: the name is taken, the resource busy, in use, in the wrong state, or full
  5    the core does not answer, or not in time
  6    the token is not accepted, or the core's certificate is not trusted
  7    the operation that was waited for failed, or was canceled or abandoned
  130  interrupted`}
}

// unfinished is the error of an operation that was waited for and did not succeed.
type unfinished struct {
	op  client.Operation
	err error
}

// Error returns what happened.
func (e *unfinished) Error() string {
	if e.op.State != client.OperationFailed {
		return e.err.Error()
	}
	return fmt.Sprintf("%s of %s failed: %s", e.op.Kind, e.op.Resource.Name, e.err)
}

// Unwrap returns the operation's fault.
func (e *unfinished) Unwrap() error { return e.err }

func exitCode(ctx context.Context, err error) int {
	var wrong *usageError
	var end *unfinished
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &end):
		return exitUnfinished
	case fault.ReasonOf(err) == fault.CertRefused:
		return exitDenied
	}
	switch fault.CodeOf(err) {
	case fault.InvalidArgument:
		return exitUsage
	case fault.NotFound:
		return exitAbsent
	case fault.AlreadyExists, fault.FailedPrecondition, fault.ResourceExhausted, fault.Aborted:
		return exitConflict
	case fault.Unavailable, fault.DeadlineExceeded:
		return exitUnreachable
	case fault.Unauthenticated, fault.PermissionDenied:
		return exitDenied
	}
	return exitFailed
}
