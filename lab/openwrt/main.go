// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rhyzome/rhyzome/lab/openwrt/fw4"
	"github.com/rhyzome/rhyzome/lab/openwrt/netifd"
	"github.com/rhyzome/rhyzome/lab/openwrt/ubus"
	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// Main becomes one of the router's programs, and does not return, if this program was started as `PROGRAM lab openwrt
// NAME`. It is to be called first in main, beside machine.Init.
func Main() {
	if len(os.Args) < 4 || os.Args[1] != "lab" || os.Args[2] != "openwrt" {
		return
	}
	os.Exit(run(os.Args[3], os.Args[4:]))
}

func run(name string, args []string) int {
	switch name {
	case "ubus":
		return ubus.Main(args, os.Stdout, os.Stderr)
	case "fw4":
		return fw4.Main(args, os.Stdout, os.Stderr)
	case "uci":
		return uci.Main(args, os.Stdout, os.Stderr)
	case "netifd":
		return netifd.Main()
	case "dhcp.script":
		return netifd.DHCPMain(args)
	case "ifup", "ifdown":
		return ifupdown(name, args)
	case "init":
		return initScript(args)
	}
	fmt.Fprintf(os.Stderr, "%s: not found\n", name)
	return 127
}

// ifupdown restarts or stops interfaces: ifup is down and up again.
func ifupdown(name string, args []string) int {
	if len(args) != 1 || args[0] == "" || args[0][0] == '-' {
		fmt.Fprintf(os.Stderr, "Usage: %s <interface>\n", name)
		return 1
	}
	verbs := []string{"down"}
	if name == "ifup" {
		verbs = []string{"down", "up"}
	}
	ctx, cancel := timeout()
	defer cancel()
	for _, verb := range verbs {
		if err := ubus.Call(ctx, "network.interface."+args[0], verb, struct{}{}, nil); err != nil {
			fmt.Fprintf(os.Stderr, "Interface %s not found\n", args[0])
			return 1
		}
	}
	return 0
}

// timeout bounds the work of an init script.
func timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}
