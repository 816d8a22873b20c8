// SPDX-License-Identifier: Apache-2.0

// Command rhyzome-libvirt is the provider of instances on a hypervisor with libvirt and QEMU.
package main

import (
	"github.com/rhyzome/rhyzome/plugins/libvirt"
	"github.com/rhyzome/rhyzome/sdk/plugin"
)

func main() { plugin.Serve(libvirt.New()) }
