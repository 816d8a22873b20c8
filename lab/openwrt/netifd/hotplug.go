// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"context"
	"log/slog"
	"os/exec"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// event is an interface that came up or went down.
type event struct{ action, iface, device string }

// hotplug does what OpenWrt's scripts do on such events, one after the other: reload the firewall if it knows the network,
// reload dnsmasq if it serves it.
type hotplug struct {
	log    *slog.Logger
	events chan event
}

func (h hotplug) post(e event) { h.events <- e }

func (h hotplug) run(ctx context.Context) {
	for e := range h.events {
		h.log.Info("interface", "action", e.action, "interface", e.iface, "device", e.device)
		if e.action == "ifup" && exec.CommandContext(ctx, "fw4", "-q", "network", e.iface).Run() == nil {
			h.call(ctx, "fw4", "-q", "reload")
		}
		if served(e.iface) {
			h.call(ctx, "/etc/init.d/dnsmasq", "reload")
		}
	}
}

func (h hotplug) call(ctx context.Context, name string, args ...string) {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		h.log.Error("hotplug", "program", name, "error", err, "output", string(out))
	}
}

// served reports whether a dhcp section names the interface.
func served(name string) bool {
	p, err := uci.Load("dhcp")
	if err != nil {
		return false
	}
	for _, s := range p.Type("dhcp") {
		if s.Get("interface") == name && !s.Bool("ignore", false) {
			return true
		}
	}
	return false
}
