// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt/ubus"
)

// DHCPScript is the program that the DHCP client calls with what it got.
const DHCPScript = "/lib/netifd/dhcp.script"

func dhcpService(name string) string { return "udhcpc." + name }

func startDHCP(ctx context.Context, c interfaceConfig) error {
	args := []string{"busybox", "udhcpc", "-f", "-t", "0", "-i", c.device, "-s", DHCPScript}
	if name := c.options["hostname"]; name != "" && name != "*" {
		args = append(args, "-x", "hostname:"+name)
	}
	return machine.Inside().Start(ctx, machine.Service{
		Name: dhcpService(c.name), Args: args, Env: []string{"INTERFACE=" + c.name}, Respawn: true,
	})
}

func stopDHCP(ctx context.Context, name string) error {
	services, err := machine.Inside().List(ctx)
	if err != nil {
		return err
	}
	for _, s := range services {
		if s.Name == dhcpService(name) {
			return machine.Inside().Stop(ctx, s.Name)
		}
	}
	return nil
}

// lease is what the script reports of one.
type lease struct {
	Interface string     `json:"interface"`
	Address   netip.Addr `json:"ipaddr"`
	Bits      int        `json:"mask"`
	Router    netip.Addr `json:"router,omitzero"`
	DNS       []string   `json:"dns,omitempty"`
}

// DHCPMain is the script: udhcpc calls it with an event as argument and the lease in the environment.
func DHCPMain(args []string) int {
	if len(args) != 1 || args[0] != "bound" && args[0] != "renew" {
		return 0
	}
	l := lease{Interface: os.Getenv("INTERFACE"), DNS: strings.Fields(os.Getenv("dns"))}
	if routers := strings.Fields(os.Getenv("router")); len(routers) > 0 {
		l.Router, _ = netip.ParseAddr(routers[0]) // none is as good as a bad one
	}
	var err error
	if l.Address, err = netip.ParseAddr(os.Getenv("ip")); err == nil {
		_, err = fmt.Sscan(os.Getenv("mask"), &l.Bits)
	}
	if err == nil {
		err = ubus.Call(context.Background(), "network.interface", "notify_proto", l, nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// notifyProto takes a lease for an interface that waits for one, or has one.
func (d *daemon) notifyProto(name string, args json.RawMessage) (any, error) {
	var l lease
	if err := json.Unmarshal(args, &l); err != nil {
		return nil, ubus.InvalidArgument
	}
	d.work <- func(ctx context.Context) {
		i := d.ifaces[name]
		if i == nil || i.config.proto != "dhcp" || i.state == stateDown {
			return
		}
		a := addressing{addresses: []netip.Prefix{netip.PrefixFrom(l.Address, l.Bits)}, dns: append(l.DNS, i.config.dns...)}
		if l.Router.IsValid() {
			a.routes = []gatewayRoute{{netip.MustParsePrefix("0.0.0.0/0"), l.Router}}
		}
		var err error
		if a.link, err = netlink.LinkByName(i.config.device); err == nil {
			err = a.install()
		}
		d.settle(ctx, i, a, err)
	}
	return nil, nil
}
