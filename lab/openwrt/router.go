// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/machine"
)

// Interfaces of the router: what OpenWrt calls ports of the board.
const (
	WANPort = "eth0"
	Trunk   = "eth2" // for VLANs; the owner uses it for nothing
)

// program is where the binary with the stand-in's programs is found inside.
const program = "/usr/libexec/openwrt-stand-in"

// Start makes a router: the machine that spec describes, with cables to the trunk and to the segment where its WAN is, and
// booted. Binary is one that calls Main. The owner's configuration is written where there is none yet; after that,
// /etc/config is what programs made of it, and outlives the machine.
func Start(ctx context.Context, spec machine.Spec, binary string, trunk, home *fabric.Segment, wan WAN) (*machine.Machine, error) {
	config := filepath.Join(spec.Dir, "config")
	if err := writeMissing(config, wan.files()); err != nil {
		return nil, err
	}
	files, err := programs()
	if err != nil {
		return nil, err
	}
	maps.Copy(files, spec.Files)
	spec.Files = files
	spec.Binds = append([]machine.Bind{
		{Source: binary, Target: program},
		{Source: config, Target: "/etc/config"},
		{Source: filepath.Join(spec.Dir, "rhyzome"), Target: "/etc/rhyzome"}, // all of /etc is kept by a real one
	}, spec.Binds...)
	settings := maps.Clone(sysctls)
	maps.Copy(settings, spec.Sysctls)
	spec.Sysctls = settings
	m, err := machine.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := boot(ctx, m, trunk, home); err != nil {
		return nil, fmt.Errorf("router %s: %w", m.Name, err)
	}
	return m, nil
}

// sysctls are OpenWrt's own that matter here.
var sysctls = map[string]string{
	"net.ipv4.ip_forward":              "1",
	"net.ipv4.conf.default.arp_ignore": "1",
	"net.ipv4.conf.all.arp_ignore":     "1",
	"net.ipv6.conf.default.forwarding": "1",
	"net.ipv6.conf.all.forwarding":     "1",
}

func writeMissing(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := f.WriteString(content); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// programs are the files of an OpenWrt system: scripts at the places of its programs, its release, and the group that
// dnsmasq runs as.
func programs() (map[string]string, error) {
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"/etc/openwrt_release": "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='24.10-stand-in'\nDISTRIB_DESCRIPTION='OpenWrt stand-in'\n",
		"/etc/group":           withLine(string(groups), "dnsmasq:", "dnsmasq:x:453:dnsmasq\n"),
	}
	for path, arguments := range map[string]string{
		"/bin/ubus": "ubus", "/sbin/fw4": "fw4", "/sbin/uci": "uci", "/sbin/ifup": "ifup", "/sbin/ifdown": "ifdown",
		"/lib/netifd/dhcp.script": "dhcp.script",
		"/etc/init.d/network":     "init network", "/etc/init.d/firewall": "init firewall",
		"/etc/init.d/dnsmasq": "init dnsmasq", "/etc/init.d/odhcpd": "init odhcpd",
	} {
		files[path] = "#!/bin/sh\nexec " + program + " lab openwrt " + arguments + " \"$@\"\n"
	}
	return files, nil
}

func withLine(text, prefix, line string) string {
	for old := range strings.Lines(text) {
		if strings.HasPrefix(old, prefix) {
			return text
		}
	}
	return text + line
}

// boot lays the cables and starts the services in OpenWrt's order.
func boot(ctx context.Context, m *machine.Machine, trunk, home *fabric.Segment) error {
	if err := trunk.Connect(m, Trunk); err != nil {
		return err
	}
	if err := home.Connect(m, WANPort); err != nil {
		return err
	}
	if err := fabric.StartOpenVSwitch(ctx, m); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"mkdir", "-p", "/tmp/resolv.conf.d"},
		{"ln", "-sf", "/tmp/resolv.conf", "/etc/resolv.conf"},
		{"/etc/init.d/dnsmasq", "boot"},
		{"/etc/init.d/firewall", "boot"},
		{"/etc/init.d/network", "boot"},
		{"ubus", "-t", "30", "wait_for", "network.interface"},
	} {
		if _, err := m.Run(ctx, command[0], command[1:]...); err != nil {
			return err
		}
	}
	return nil
}
