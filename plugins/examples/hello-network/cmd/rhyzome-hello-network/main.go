// SPDX-License-Identifier: Apache-2.0

// Command rhyzome-hello-network serves the smallest provider of networks.
package main

import (
	hellonetwork "github.com/rhyzome/rhyzome/plugins/examples/hello-network"
	"github.com/rhyzome/rhyzome/sdk/plugin"
)

func main() { plugin.Serve(hellonetwork.New()) }
