// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Hooks are commands that reach what the contract does not: the backend behind the provider. Each is run by sh -c. What
// is done to one object finds its kind, id and backend_ref in RHYZOME_KIND, RHYZOME_ID and RHYZOME_REF.
type Hooks struct {
	Prepare        string `yaml:"prepare"`         // before the first case
	BreakBackend   string `yaml:"break_backend"`   // makes the backend unreachable
	RestoreBackend string `yaml:"restore_backend"` // brings it back
	Foreign        string `yaml:"foreign"`         // prints the state of objects that are not ours
	Rename         string `yaml:"rename"`          // calls an object otherwise in the backend, and leaves its tag
	Remove         string `yaml:"remove"`          // removes an object from the backend
	ListLeftovers  string `yaml:"list_leftovers"`  // prints a line for each thing that the run left
}

// hook runs one, if there is one, and returns what it printed.
func (s *Session) hook(ctx context.Context, name, command string, env ...string) (string, error) {
	if command == "" {
		return "", nil
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Env = append(os.Environ(), env...)
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("the hook %s: %w\n%s", name, err, strings.TrimSpace(wrong.String()))
	}
	return out.String(), nil
}
