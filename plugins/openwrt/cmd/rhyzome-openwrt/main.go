// SPDX-License-Identifier: Apache-2.0

// Command rhyzome-openwrt is the provider of networks on an OpenWrt router.
package main

import (
	"github.com/rhyzome/rhyzome/plugins/openwrt"
	"github.com/rhyzome/rhyzome/sdk/plugin"
)

func main() { plugin.Serve(openwrt.New()) }
