// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"bytes"
	"context"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// ExecInstance implements provider.Exec. A pretended guest has no files, and four programs: cat, echo, sleep (without
// end) and yes (two MiB of it).
func (p instances) ExecInstance(ctx context.Context, id, operationID string, e provider.Execution) (provider.Executed, error) {
	if err := p.b.begin(ctx, "ExecInstance", nil).at("", 0); err != nil {
		return provider.Executed{}, err
	}
	err := p.b.change(provider.KindInstance, id, func(d *data) error {
		i, err := d.running(id)
		if err != nil {
			return err
		}
		i.LastExec = operationID
		i.Execs++
		d.Instances[id] = i
		return nil
	})
	if err != nil {
		return provider.Executed{}, err
	}
	switch program, args := e.Argv[0], e.Argv[1:]; {
	case program == "cat" && len(args) == 0:
		return provider.Executed{Stdout: e.Stdin}, nil
	case program == "cat":
		return provider.Executed{ExitCode: 1, Stderr: []byte("cat: " + args[0] + ": No such file or directory\n")}, nil
	case program == "echo":
		return provider.Executed{Stdout: []byte(strings.Join(args, " ") + "\n")}, nil
	case program == "yes":
		return provider.Executed{Stdout: bytes.Repeat([]byte("y\n"), 1<<20)}, nil
	case program == "sleep":
		<-ctx.Done()
		return provider.Executed{}, ctx.Err()
	default:
		return provider.Executed{ExitCode: 127, Stderr: []byte(program + ": not found\n")}, nil
	}
}

// Execs tells how many programs were run in an instance.
func (b *Backend) Execs(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Instances[id].Execs
}
