// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/rhyzome/rhyzome/lab/machine"
)

// Names of a machine's two Open vSwitch services.
const (
	DatabaseService = "ovsdb-server"
	SwitchService   = "ovs-vswitchd"
)

const (
	schema  = "/usr/share/openvswitch/vswitch.ovsschema"
	socket  = "/run/openvswitch/db.sock"
	patient = 20 * time.Second // for a daemon to answer on a busy machine
)

// StartOpenVSwitch starts a machine's own Open vSwitch. Its database lies in the machine's directory and outlives the
// machine.
func StartOpenVSwitch(ctx context.Context, m *machine.Machine) error {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	if err := startDatabase(ctx, m); err != nil {
		return fmt.Errorf("%s: open vswitch: %w", m.Name, err)
	}
	return m.StartService(ctx, machine.Service{
		Name: SwitchService, Args: []string{"ovs-vswitchd", "unix:" + socket, "-vconsole:warn"}, Respawn: true,
	})
}

// AddBridge makes a bridge in a machine's Open vSwitch, with ports that carry all VLANs. The machine itself has no part in
// them: the bridge's own interface stays down, and the ports have no addresses.
func AddBridge(ctx context.Context, m *machine.Machine, bridge string, trunks ...string) error {
	change := []string{"--timeout=20", "--may-exist", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=" + Datapath()}
	for _, port := range trunks {
		change = append(change, "--", "--may-exist", "add-port", bridge, port)
	}
	if _, err := m.Run(ctx, "ovs-vsctl", change...); err != nil {
		return err
	}
	for _, port := range trunks {
		if _, err := m.Run(ctx, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/"+port+"/disable_ipv6"); err != nil {
			return err
		}
	}
	return nil
}

func startDatabase(ctx context.Context, m *machine.Machine) error {
	database := filepath.Join(m.Dir, "openvswitch", "conf.db")
	if err := os.MkdirAll(filepath.Dir(database), 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(database); errors.Is(err, os.ErrNotExist) {
		if _, err := m.Run(ctx, "ovsdb-tool", "create", database, schema); err != nil {
			return err
		}
	}
	if _, err := m.Run(ctx, "mkdir", "-p", "/run/openvswitch"); err != nil {
		return err
	}
	err := m.StartService(ctx, machine.Service{
		Name: DatabaseService, Args: []string{"ovsdb-server", database, "--remote=punix:" + socket, "-vconsole:warn"}, Respawn: true,
	})
	if err != nil {
		return err
	}
	// ovs-vsctl itself tries until the database answers.
	_, err = m.Run(ctx, "ovs-vsctl", "--retry", "--no-wait", "init", "--", "set", "Open_vSwitch", ".",
		"external-ids:system-id="+m.Name, "external-ids:hostname="+m.Name)
	return err
}

// Datapath is the datapath_type of bridges: system where the kernel has Open vSwitch, netdev elsewhere.
func Datapath() string {
	if _, err := netlink.GenlFamilyGet("ovs_datapath"); err != nil {
		return "netdev"
	}
	return "system"
}
