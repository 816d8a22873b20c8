// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package agent

import (
	"errors"
	"io"
)

// Serve is the probe, which runs on Linux only.
func Serve(io.Reader, io.WriteCloser) error {
	return errors.New("a probe runs on Linux only: start it on a Linux machine")
}
