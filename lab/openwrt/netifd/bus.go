// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/rhyzome/rhyzome/lab/openwrt/ubus"
)

// List names the objects.
func (d *daemon) List() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := []string{"network", "network.device", "network.interface", "service"}
	for _, c := range d.config.interfaces {
		names = append(names, "network.interface."+c.name)
	}
	slices.Sort(names)
	return names
}

// Call answers a call on the bus.
func (d *daemon) Call(object, method string, args json.RawMessage) (any, error) {
	switch object {
	case "network":
		return d.callNetwork(method)
	case "network.device":
		return callDevice(method, args)
	case "network.interface":
		return d.callInterfaces(method, args)
	case "service":
		return callService(method, args)
	}
	if name, ok := strings.CutPrefix(object, "network.interface."); ok {
		return d.callInterface(name, method)
	}
	return nil, ubus.NotFound
}

func (d *daemon) callNetwork(method string) (any, error) {
	switch method {
	case "reload", "restart":
		d.work <- d.reload
		return nil, nil
	}
	return nil, ubus.MethodNotFound
}

func (d *daemon) callInterfaces(method string, args json.RawMessage) (any, error) {
	var named struct {
		Interface string `json:"interface"`
	}
	switch {
	case method == "dump":
		return d.dump(), nil
	case json.Unmarshal(args, &named) != nil || named.Interface == "":
		return nil, ubus.InvalidArgument
	case method == "notify_proto":
		return d.notifyProto(named.Interface, args)
	}
	return d.callInterface(named.Interface, method)
}

func (d *daemon) dump() any {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := struct {
		Interface []status `json:"interface"`
	}{[]status{}}
	for _, c := range d.config.interfaces {
		s := d.ifaces[c.name].status()
		s.Interface = c.name
		all.Interface = append(all.Interface, s)
	}
	slices.SortFunc(all.Interface, func(a, b status) int { return strings.Compare(a.Interface, b.Interface) })
	return all
}

func (d *daemon) callInterface(name, method string) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.ifaces[name]
	if i == nil {
		return nil, ubus.NotFound
	}
	switch method {
	case "status":
		return i.status(), nil
	case "up":
		d.work <- func(ctx context.Context) {
			d.locked(func() { i.autostart = true })
			if i.state == stateDown {
				d.up(ctx, i)
			}
		}
		return nil, nil
	case "down":
		d.work <- func(ctx context.Context) {
			d.locked(func() { i.autostart = false })
			d.down(ctx, i)
		}
		return nil, nil
	}
	return nil, ubus.MethodNotFound
}

// deviceStatus is what programs ask of a device.
type deviceStatus struct {
	External bool   `json:"external"`
	Present  bool   `json:"present"`
	Type     string `json:"type,omitempty"`
	Up       bool   `json:"up"`
	Carrier  bool   `json:"carrier"`
	MTU      int    `json:"mtu,omitempty"`
	MAC      string `json:"macaddr,omitempty"`
}

func callDevice(method string, args json.RawMessage) (any, error) {
	var named struct {
		Name string `json:"name"`
	}
	switch {
	case method != "status":
		return nil, ubus.MethodNotFound
	case json.Unmarshal(args, &named) != nil || named.Name == "":
		return nil, ubus.InvalidArgument
	}
	link, err := netlink.LinkByName(named.Name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, ubus.NotFound
	}
	if err != nil {
		return nil, ubus.UnknownError
	}
	a := link.Attrs()
	return deviceStatus{
		Present: true, Type: "Network device", Up: a.Flags&1 != 0, Carrier: a.RawFlags&iffLowerUp != 0, MTU: a.MTU, MAC: a.HardwareAddr.String(),
	}, nil
}
