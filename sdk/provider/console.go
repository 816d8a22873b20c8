// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"io"
)

// Console is the capability "console", of compute.
type Console interface {
	// OpenConsole returns the serial console of a running instance. Read blocks until the guest writes, and returns
	// io.EOF when the guest has ended. Write takes what the user types, and returns io.ErrClosedPipe then. Close, which
	// may come while Read or Write blocks, ends both. fault.NoSuchObject, fault.BadState if the instance is not running, fault.Busy if only one can have it.
	OpenConsole(ctx context.Context, id string) (io.ReadWriteCloser, error)
}
