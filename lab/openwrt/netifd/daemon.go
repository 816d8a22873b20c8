// SPDX-License-Identifier: Apache-2.0

// Package netifd is the stand-in for OpenWrt's network daemon. It reads /etc/config/network, makes the interfaces, and
// answers on the bus as network, network.device and network.interface. Like the real one it answers a reload before the
// work is done and with success whatever the file says, and touches no interface that did not change.
//
// A bridge with vlan_filtering is an Open vSwitch bridge here, and its device BRIDGE.VLAN an internal port with that tag:
// kernels without 8021q run it too. A VLAN device without its bridge-vlan section is not there (on OpenWrt it is, and
// carries nothing). WireGuard is the kernel's, or wireguard-go where it has none. There is no prefix delegation.
package netifd

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/rhyzome/rhyzome/lab/openwrt/ubus"
	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// daemon holds the interfaces. All work on them is done by one goroutine, the worker; the lock is for those who look.
type daemon struct {
	log  *slog.Logger
	work chan func(context.Context)
	hook hotplug

	mu     sync.Mutex
	config *config
	ifaces map[string]*iface
}

// Main runs the daemon until it is killed.
func Main() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(context.Background(), log); err != nil {
		log.Error("netifd", "error", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, log *slog.Logger) error {
	d := &daemon{
		log:  log,
		work: make(chan func(context.Context), 1024), config: &config{}, ifaces: map[string]*iface{},
		hook: hotplug{log: log, events: make(chan event, 1024)},
	}
	links := make(chan netlink.LinkUpdate, 1024)
	done := make(chan struct{})
	defer close(done)
	if err := netlink.LinkSubscribe(links, done); err != nil {
		return err
	}
	l, err := ubus.Listen(ctx)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- ubus.Serve(l, d) }()
	go d.hook.run(ctx)
	d.reload(ctx)
	for {
		select {
		case err := <-failed:
			return err
		case f := <-d.work:
			f(ctx)
		case u, ok := <-links:
			if !ok {
				return errors.New("no more news of links")
			}
			d.linkChanged(ctx, u)
		}
	}
}

// reload makes what /etc/config/network says now. What cannot be read is left out.
func (d *daemon) reload(ctx context.Context) {
	p, err := uci.Load("network")
	if err != nil {
		d.log.Error("configuration", "error", err)
	}
	old, next := d.config, readConfig(p)
	for name, i := range d.ifaces {
		at := slices.IndexFunc(next.interfaces, func(c interfaceConfig) bool { return c.name == name })
		if at >= 0 && i.config.same(next.interfaces[at]) && deviceStays(old, next, i.config.device) {
			continue
		}
		d.down(ctx, i)
	}
	if err := syncBridges(ctx, old, next); err != nil {
		d.log.Error("bridges", "error", err)
	}
	d.locked(func() {
		d.config = next
		maps.DeleteFunc(d.ifaces, func(name string, _ *iface) bool { return !next.has(name) })
		for _, c := range next.interfaces {
			if d.ifaces[c.name] == nil {
				d.ifaces[c.name] = &iface{autostart: c.auto}
			} else if d.ifaces[c.name].config.auto != c.auto {
				d.ifaces[c.name].autostart = c.auto
			}
			d.ifaces[c.name].config = c
		}
	})
	for _, c := range next.interfaces {
		if i := d.ifaces[c.name]; i.autostart && i.state == stateDown {
			d.up(ctx, i)
		}
	}
}

// deviceStays reports whether a device means the same in two configurations.
func deviceStays(old, next *config, name string) bool {
	_, _, was := old.vlanDevice(name)
	_, _, is := next.vlanDevice(name)
	a, b := old.devices[name], next.devices[name]
	return was == is && a.bridge == b.bridge && a.filtering == b.filtering
}

func (d *daemon) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// up brings an interface up, or notes why not.
func (d *daemon) up(ctx context.Context, i *iface) {
	d.locked(func() { i.state, i.errors = stateSetup, nil })
	a, err := d.setUp(ctx, i.config)
	if errors.Is(err, errPending) {
		d.locked(func() { i.available = true })
		return
	}
	d.settle(ctx, i, a, err)
}

// settle records the outcome of setting up.
func (d *daemon) settle(ctx context.Context, i *iface, a addressing, err error) {
	if err != nil {
		d.log.Error("interface stays down", "interface", i.config.name, "error", err)
		d.tearDown(ctx, i.config, a)
		d.locked(func() { i.failed(err) })
		return
	}
	renewed := i.state == stateUp
	d.locked(func() {
		i.state, i.available, i.since = stateUp, true, time.Now()
		i.l3, i.index = a.link.Attrs().Name, a.link.Attrs().Index
		i.addresses, i.routes, i.dns = a.addresses, a.routes, a.dns
	})
	d.writeResolvers()
	if !renewed {
		d.hook.post(event{"ifup", i.config.name, i.l3})
	}
}

// failed notes the error; the caller holds the lock.
func (i *iface) failed(err error) {
	i.state, i.available, i.l3 = stateDown, true, ""
	var shown fault
	switch {
	case errors.Is(err, errNoDevice):
		i.available = false
		i.errors = []statusError{{Subsystem: "interface", Code: "NO_DEVICE"}}
	case errors.As(err, &shown):
		i.errors = []statusError{shown.statusError}
	}
}

// errPending says that the rest follows when a program reports back.
var errPending = errors.New("pending")

func (d *daemon) setUp(ctx context.Context, c interfaceConfig) (addressing, error) {
	switch {
	case !c.known():
		return addressing{}, fault{statusError{Subsystem: "proto", Code: "INVALID_PROTO"}}
	case c.proto == "wireguard":
		a, err := startWireGuard(ctx, c)
		if err == nil {
			err = a.install()
		}
		return a, err
	}
	var a addressing
	var err error
	if c.proto == "static" {
		if a, err = c.static(); err != nil {
			return addressing{}, err
		}
	}
	if a.link, err = d.config.claim(ctx, c.device); err != nil {
		return addressing{}, err
	}
	if c.proto == "dhcp" {
		return a, errors.Join(startDHCP(ctx, c), errPending)
	}
	a.routes = append(a.routes, d.config.routesOf(c.name)...)
	return a, a.install()
}

// down takes an interface down; its device goes if it is one that was made for it.
func (d *daemon) down(ctx context.Context, i *iface) {
	var a addressing
	link, err := netlink.LinkByName(i.l3)
	if i.l3 != "" && err == nil {
		a = addressing{link: link, addresses: i.addresses, routes: i.routes}
	}
	was := i.state
	d.locked(func() {
		i.state, i.l3, i.addresses, i.routes, i.dns, i.errors = stateDown, "", nil, nil, nil, nil
	})
	d.tearDown(ctx, i.config, a)
	if was == stateUp {
		d.writeResolvers()
		d.hook.post(event{"ifdown", i.config.name, i.config.device})
	}
}

func (d *daemon) tearDown(ctx context.Context, c interfaceConfig, a addressing) {
	var err error
	if a.link != nil && c.proto != "wireguard" {
		err = a.uninstall()
	}
	switch c.proto {
	case "wireguard":
		err = stopWireGuard(ctx, c.name)
	case "dhcp":
		err = errors.Join(err, stopDHCP(ctx, c.name))
	}
	if c.proto != "wireguard" {
		err = errors.Join(err, d.config.release(ctx, c.device))
	}
	if err != nil {
		d.log.Error("taking an interface down", "interface", c.name, "error", err)
	}
}

// linkChanged brings interfaces down whose device vanished, and up whose device appeared.
func (d *daemon) linkChanged(ctx context.Context, u netlink.LinkUpdate) {
	name, index := u.Link.Attrs().Name, u.Link.Attrs().Index
	for _, c := range d.config.interfaces {
		i := d.ifaces[c.name]
		switch lost := u.Header.Type == netlinkDelLink; {
		case lost && i.state == stateUp && i.l3 == name && i.index == index:
			d.down(ctx, i)
			d.locked(func() { i.failed(errNoDevice) })
			if c.proto == "wireguard" { // its program died; nobody else will make the device again
				d.up(ctx, i)
			}
		case !lost && i.autostart && i.state == stateDown && !i.available && c.device == name:
			d.up(ctx, i)
		}
	}
}

// writeResolvers writes the name servers of the interfaces that are up.
func (d *daemon) writeResolvers() {
	var text strings.Builder
	for _, c := range d.config.interfaces {
		i := d.ifaces[c.name]
		if i.state != stateUp || len(i.dns) == 0 {
			continue
		}
		text.WriteString("# Interface " + c.name + "\n")
		for _, server := range i.dns {
			text.WriteString("nameserver " + server + "\n")
		}
	}
	err := os.MkdirAll("/tmp/resolv.conf.d", 0o755)
	if err == nil {
		err = os.WriteFile("/tmp/resolv.conf.d/resolv.conf.auto", []byte(text.String()), 0o644)
	}
	if err != nil {
		d.log.Error("resolvers", "error", err)
	}
}
