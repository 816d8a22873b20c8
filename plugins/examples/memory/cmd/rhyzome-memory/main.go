// SPDX-License-Identifier: Apache-2.0

// Command rhyzome-memory is the reference provider as a program: instances and networks that are only pretended.
package main

import (
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/plugin"
)

func main() { plugin.Serve(memory.New(memory.NewBackend())) }
