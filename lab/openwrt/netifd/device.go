// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/rhyzome/rhyzome/lab/fabric"
)

// errNoDevice says that the device of an interface is not there (yet).
var errNoDevice = errors.New("no device")

// syncBridges makes the bridges that a configuration wants and removes those of the one before.
func syncBridges(ctx context.Context, old, next *config) error {
	for name, d := range old.devices {
		if d.bridge && !next.devices[name].bridge {
			if err := removeBridge(ctx, d); err != nil {
				return err
			}
		}
	}
	for _, d := range next.devices {
		if !d.bridge {
			continue
		}
		if err := next.makeBridge(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func removeBridge(ctx context.Context, d device) error {
	if d.filtering {
		return vsctl(ctx, "--if-exists", "del-br", d.name)
	}
	link, err := netlink.LinkByName(d.name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	return netlink.LinkDel(link)
}

// makeBridge makes a bridge and puts its ports in; what is as it should be is not touched.
func (c *config) makeBridge(ctx context.Context, d device) error {
	if d.filtering {
		return c.makeSwitch(ctx, d)
	}
	br, err := netlink.LinkByName(d.name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: d.name}}); err != nil {
			return fmt.Errorf("bridge %s: %w", d.name, err)
		}
		br, err = netlink.LinkByName(d.name)
	}
	if err != nil {
		return err
	}
	for _, name := range d.ports {
		port, err := netlink.LinkByName(name)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			continue // it may be plugged in later
		}
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMaster(port, br); err != nil {
			return fmt.Errorf("bridge %s: port %s: %w", d.name, name, err)
		}
		if err := netlink.LinkSetUp(port); err != nil {
			return err
		}
	}
	return nil
}

// makeSwitch makes a bridge that filters VLANs, by Open vSwitch. A port carries the VLANs that bridge-vlan sections give
// it, and no other; 4095 stands for none.
func (c *config) makeSwitch(ctx context.Context, d device) error {
	args := []string{"--may-exist", "add-br", d.name, "--", "set", "bridge", d.name, "datapath_type=" + fabric.Datapath()}
	for _, port := range d.ports {
		tagged, untagged := c.portVLANs(d.name, port)
		mode := []string{"vlan_mode=trunk", "trunks=" + join(tagged), "tag=[]"}
		if len(untagged) > 0 {
			mode = []string{"vlan_mode=native-untagged", "trunks=" + join(append(tagged, untagged...)), "tag=" + strconv.Itoa(untagged[0])}
		}
		args = append(args, "--", "--may-exist", "add-port", d.name, port, "--", "set", "port", port)
		args = append(args, mode...)
	}
	if err := vsctl(ctx, args...); err != nil {
		return err
	}
	for _, port := range d.ports {
		link, err := netlink.LinkByName(port)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			continue // it may be plugged in later
		}
		if err != nil {
			return err
		}
		// As a port of a Linux bridge it would have no address either.
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+port+"/disable_ipv6", []byte("1"), 0); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) portVLANs(bridge, port string) (tagged, untagged []int) {
	for _, v := range c.vlans {
		if v.bridge != bridge {
			continue
		}
		for _, p := range v.ports {
			if p.name == port && p.tagged {
				tagged = append(tagged, v.id)
			} else if p.name == port {
				untagged = append(untagged, v.id)
			}
		}
	}
	slices.Sort(tagged)
	return tagged, untagged
}

func join(ids []int) string {
	if len(ids) == 0 {
		return "4095"
	}
	var words []string
	for _, id := range ids {
		words = append(words, strconv.Itoa(id))
	}
	return strings.Join(words, ",")
}

func vsctl(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ovs-vsctl", append([]string{"--timeout=20"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ovs-vsctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// claim makes the device of an interface be there and up, and returns it.
func (c *config) claim(ctx context.Context, name string) (netlink.Link, error) {
	if bridge, id, ok := c.vlanDevice(name); ok {
		if err := c.addVLANDevice(ctx, bridge, name, id); err != nil {
			return nil, err
		}
	}
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, errNoDevice
	}
	if err != nil {
		return nil, err
	}
	if err := c.devices[name].apply(link); err != nil {
		return nil, err
	}
	return link, netlink.LinkSetUp(link)
}

// addVLANDevice makes the device of a VLAN. Its MAC is the trunk's, as it is of a VLAN device on a bridge.
func (c *config) addVLANDevice(ctx context.Context, bridge, name string, id int) error {
	args := []string{"--may-exist", "add-port", bridge, name, "tag=" + strconv.Itoa(id), "--", "set", "interface", name, "type=internal"}
	for _, port := range c.devices[bridge].ports {
		if link, err := netlink.LinkByName(port); err == nil {
			args = append(args, `mac="`+link.Attrs().HardwareAddr.String()+`"`)
			break
		}
	}
	return vsctl(ctx, args...)
}

// release undoes claim: a VLAN's device goes, others stay as they are.
func (c *config) release(ctx context.Context, name string) error {
	if bridge, _, ok := c.vlanDevice(name); ok {
		return vsctl(ctx, "--if-exists", "del-port", bridge, name)
	}
	return nil
}

// apply makes the settings of a `config device`.
func (d device) apply(link netlink.Link) error {
	if d.mtu != 0 && d.mtu != link.Attrs().MTU {
		if err := netlink.LinkSetMTU(link, d.mtu); err != nil {
			return fmt.Errorf("device %s: mtu: %w", d.name, err)
		}
	}
	modes := map[string]string{"strict": "1", "loose": "2"}
	if mode, ok := modes[d.rpFilter]; ok {
		return os.WriteFile("/proc/sys/net/ipv4/conf/"+link.Attrs().Name+"/rp_filter", []byte(mode), 0)
	}
	return nil
}
