// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// removePortsOf removes the Open vSwitch ports of an instance that is not running. libvirt removes them itself when a
// guest ends; they stay when the whole machine does.
func removePortsOf(ctx context.Context, id string) error {
	// libvirt notes the domain's UUID at each interface.
	out, err := vsctl(ctx, "--bare", "--columns=name", "find", "Interface", `external_ids:vm-id="`+id+`"`)
	if err != nil {
		return err
	}
	for _, port := range strings.Fields(out) {
		if _, err := vsctl(ctx, "--if-exists", "del-port", port); err != nil {
			return err
		}
	}
	return nil
}

// sweepPorts removes the ports of our instances whose network cards are gone: after a power cut they are still in Open
// vSwitch's database, while the guests that run again have new ones.
func (b *backend) sweepPorts(ctx context.Context, l *link) error {
	if len(b.Fabrics) == 0 {
		return nil
	}
	dead, err := deadPorts(ctx)
	if err != nil || len(dead) == 0 {
		return err
	}
	ours := map[string]bool{}
	err = each(l, func(d *domain) error {
		ours[d.mark.ID] = true
		return nil
	})
	for port, id := range dead {
		if ours[id] && err == nil {
			_, err = vsctl(ctx, "--if-exists", "del-port", port)
		}
	}
	return err
}

// deadPorts returns the ports of guests whose network device is missing, and the domain of each.
func deadPorts(ctx context.Context) (map[string]string, error) {
	out, err := vsctl(ctx, "--bare", "--columns=name", "find", "Interface", "ofport=-1", "external_ids:vm-id!=none")
	if err != nil {
		return nil, err
	}
	dead := map[string]string{}
	for _, port := range strings.Fields(out) {
		id, err := vsctl(ctx, "--if-exists", "get", "Interface", port, "external_ids:vm-id")
		if err != nil {
			return nil, err
		}
		dead[port] = strings.Trim(strings.TrimSpace(id), `"`)
	}
	return dead, nil
}

// inUserspace says whether Open vSwitch itself handles the packets of a bridge, because the kernel has no part of it.
func inUserspace(ctx context.Context, bridge string) (bool, error) {
	out, err := vsctl(ctx, "--bare", "--columns=datapath_type", "find", "Bridge", `name="`+bridge+`"`)
	return strings.TrimSpace(out) == "netdev", err
}

func vsctl(ctx context.Context, args ...string) (string, error) {
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, "ovs-vsctl", append([]string{"--timeout=10"}, args...)...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	switch {
	case err == nil:
		return string(out), nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", fault.New(fault.BackendRefused, "ovs-vsctl is not installed on the host")
	}
	return "", &fault.Error{Code: fault.BackendDown.Code(), Reason: fault.BackendDown,
		Message: "Open vSwitch: " + strings.TrimSpace(complaints.String()), Err: err}
}
