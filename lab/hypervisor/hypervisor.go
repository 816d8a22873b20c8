// SPDX-License-Identifier: Apache-2.0

// Package hypervisor makes machines of the lab into hosts: a libvirtd and an Open vSwitch each, as a Debian machine with
// these packages has them. A provider finds nothing that says lab: qemu:///system answers, the bridge br-rz is there.
// Instances run by KVM where the machine has it, by emulation elsewhere.
package hypervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/machine"
)

// Bridge is the Open vSwitch bridge that ports of instances belong in. Its trunk port is Trunk.
const (
	Bridge = "br-rz"
	Trunk  = "trunk0"
)

// Names of libvirt's two services.
const (
	LibvirtService = "libvirtd"
	LogService     = "virtlogd"
)

const patient = 60 * time.Second // for libvirtd on a busy machine: it asks QEMU for its capabilities first

// Spec describes a host.
type Spec struct {
	machine.Spec
	Trunk *fabric.Segment // what it is connected to; may be nil
	KVM   bool            // it has a /dev/kvm; see guest.KVM
}

// Start makes a host, with libvirt's directories in spec.Dir, so that domains and disks outlive the machine. It is ready
// when virsh answers.
func Start(ctx context.Context, spec Spec) (*machine.Machine, error) {
	private := filepath.Join(spec.Dir, "libvirt")
	spec.Binds = append([]machine.Bind{
		{Source: filepath.Join(private, "etc"), Target: "/etc/libvirt"},
		{Source: filepath.Join(private, "lib"), Target: "/var/lib/libvirt"},
		{Source: filepath.Join(private, "cache"), Target: "/var/cache/libvirt"},
		{Source: filepath.Join(private, "log"), Target: "/var/log/libvirt"},
	}, spec.Binds...)
	m, err := machine.Start(ctx, spec.Spec)
	if err != nil {
		return nil, err
	}
	if err := equip(ctx, m, spec); err != nil {
		return nil, fmt.Errorf("hypervisor %s: %w", m.Name, err)
	}
	return m, nil
}

func equip(ctx context.Context, m *machine.Machine, spec Spec) error {
	if spec.KVM {
		// As Debian's udev makes it: QEMU's user is in that group.
		if _, err := m.Run(ctx, "sh", "-ec", "mknod -m 660 /dev/kvm c 10 232; chgrp kvm /dev/kvm"); err != nil {
			return err
		}
	}
	var ports []string
	if spec.Trunk != nil {
		if err := spec.Trunk.Connect(m, Trunk); err != nil {
			return err
		}
		ports = append(ports, Trunk)
	}
	if err := fabric.StartOpenVSwitch(ctx, m); err != nil {
		return err
	}
	if err := fabric.AddBridge(ctx, m, Bridge, ports...); err != nil {
		return err
	}
	return startLibvirt(ctx, m)
}

func startLibvirt(ctx context.Context, m *machine.Machine) error {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	if err := configure(m); err != nil {
		return err
	}
	if err := m.StartService(ctx, machine.Service{Name: LogService, Args: []string{"virtlogd"}, Respawn: true}); err != nil {
		return err
	}
	if err := m.StartService(ctx, machine.Service{Name: LibvirtService, Args: []string{"libvirtd"}, Respawn: true}); err != nil {
		return err
	}
	return Ready(ctx, m)
}

// Ready returns when libvirtd and virtlogd answer, for instance after a crash of theirs.
func Ready(ctx context.Context, m *machine.Machine) error {
	for {
		_, err := m.Run(ctx, "virsh", "-q", "-c", "qemu:///system", "list", "--all", "--uuid")
		if err == nil {
			_, err = m.Run(ctx, "test", "-S", "/run/libvirt/virtlogd-sock")
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("libvirtd does not answer: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// configure writes libvirt's files. What a package would set up with systemd and DBus (polkit, cgroups, AppArmor) is off.
func configure(m *machine.Machine) error {
	id, err := os.ReadFile(m.Path("/etc/machine-id"))
	if err != nil {
		return err
	}
	files := map[string]string{
		"libvirtd.conf": fmt.Sprintf("host_uuid = %q\nauth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\n"+
			"unix_sock_rw_perms = \"0700\"\n", uuid(strings.TrimSpace(string(id)))),
		"qemu.conf":     "security_driver = \"none\"\ncgroup_controllers = []\nnamespaces = []\n",
		"virtlogd.conf": "",
	}
	for name, content := range files {
		path := filepath.Join(m.Dir, "libvirt", "etc", name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// uuid writes 32 hex digits with dashes.
func uuid(hex string) string {
	if len(hex) != 32 {
		return hex // libvirtd says what is wrong with it
	}
	return strings.Join([]string{hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:]}, "-")
}
