// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"

	"google.golang.org/grpc"
)

// Target is the provider under test, however it is reached.
type Target interface {
	// Connect returns a connection to the running provider, starting it if need be. It is the target's to close.
	Connect(ctx context.Context) (grpc.ClientConnInterface, error)
	// Restart kills the provider's process, without a word, and starts a new one. The connection of before is dead.
	Restart(ctx context.Context) error
	// Close stops the provider.
	Close() error
	// Way tells how the provider is reached.
	Way() Way
}

// Way is how a provider is reached, and what is known of its program.
type Way struct {
	Kind   string `yaml:"kind"`             // "child", "attach", "in-process"
	Digest string `yaml:"digest,omitempty"` // SHA-256 of the program, in hexadecimal, where the suite started it
}
