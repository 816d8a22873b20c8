// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"path/filepath"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
)

// places are the files of an OpenWrt system that the provider reads or writes.
type places struct {
	dir       uci.Dir
	state     string // directory of our own
	machineID string
	hostname  string
	odhcpd    string // glob: odhcpd is enabled if something matches
	varEtc    string // where init scripts render dnsmasq's configuration
	tmp       string
}

func placesOf(root string, p paths) places {
	under := func(path string) string { return filepath.Join(root, path) }
	return places{
		dir: uci.Dir{
			Path: under(p.Config), Overrides: under("/var/run/uci"), Staged: under("/tmp/.uci"),
			LockFile: under("/var/lock/rhyzome-uci.lock"), Owned: owned,
		},
		state:     under(p.State),
		machineID: under("/etc/machine-id"),
		hostname:  under("/proc/sys/kernel/hostname"),
		odhcpd:    under("/etc/rc.d/S??odhcpd"),
		varEtc:    under("/var/etc"),
		tmp:       under("/tmp"),
	}
}

// Files in OpenWrt's configuration directory.
const (
	fileNetwork  = "network"
	fileDHCP     = "dhcp"
	fileFirewall = "firewall"
)

// files are the configuration files that a network is made of, as they were read at one time.
type files struct {
	network, dhcp, firewall *uci.File
}

func (r *router) load() (*files, error) {
	var f files
	for name, file := range f.byName() {
		var err error
		if *file, err = r.dir.Load(name); err != nil {
			return nil, configFault(err)
		}
	}
	return &f, nil
}

func (f *files) byName() map[string]**uci.File {
	return map[string]**uci.File{fileNetwork: &f.network, fileDHCP: &f.dhcp, fileFirewall: &f.firewall}
}
