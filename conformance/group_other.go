// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package conformance

import "os/exec"

// confine does nothing: elsewhere a program outlives a suite that was killed.
func confine(*exec.Cmd) {}

// killGroup does nothing: elsewhere the program is in the suite's process group.
func killGroup(*exec.Cmd) {}
