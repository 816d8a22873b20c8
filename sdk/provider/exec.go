// SPDX-License-Identifier: Apache-2.0

package provider

import "context"

// Execution is a program to run in a guest.
type Execution struct {
	Argv  []string // the program and its arguments, for no shell
	Stdin []byte
}

// Executed is what came of a program. The SDK cuts output that is too long.
type Executed struct {
	ExitCode        int // 0 to 255; 128 and the signal's number for a program that a signal ended
	Stdout          []byte
	Stderr          []byte
	StdoutTruncated bool // there was more
	StderrTruncated bool
}

// Exec is the capability "exec", of compute.
type Exec interface {
	// ExecInstance runs a program in a running guest, and kills it when ctx ends. It writes operationID beside the
	// instance's tag before it starts the program, and shows it as Instance.LastExecOperationID: the SDK refuses what
	// was run before, and runs one program at a time. fault.BadState if the instance or its agent does not run.
	ExecInstance(ctx context.Context, id, operationID string, e Execution) (Executed, error)
}
