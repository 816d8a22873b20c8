// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command rhyzome-process serves a provider whose instances are local processes.
package main

import (
	"github.com/rhyzome/rhyzome/plugins/examples/process"
	"github.com/rhyzome/rhyzome/sdk/plugin"
)

func main() {
	process.Supervise() // a supervisor of one of its instances does not return
	plugin.Serve(process.New())
}
