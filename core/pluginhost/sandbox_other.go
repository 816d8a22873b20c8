// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package pluginhost

import (
	"os"
	"os/exec"
)

// confine does nothing: elsewhere a child outlives a core that was killed, and runs as the core's user.
func confine(*exec.Cmd, int) {}

// killGroup does nothing: elsewhere the child is in the core's process group.
func killGroup(*exec.Cmd) {}

// killWriters does nothing: elsewhere nobody tells who has a pipe open.
func killWriters(...*os.File) {}

// lockCell does nothing: elsewhere a cell outlives a core that was killed.
func lockCell(string) (*os.File, error) { return nil, nil }

// sweepCells does nothing.
func sweepCells() error { return nil }
