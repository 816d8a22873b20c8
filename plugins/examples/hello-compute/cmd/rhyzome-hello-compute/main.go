// SPDX-License-Identifier: Apache-2.0

// Command rhyzome-hello-compute serves the smallest provider of instances.
package main

import (
	hellocompute "github.com/rhyzome/rhyzome/plugins/examples/hello-compute"
	"github.com/rhyzome/rhyzome/sdk/plugin"
)

func main() { plugin.Serve(hellocompute.New()) }
