// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/lab/hypervisor"
	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt"
	"github.com/rhyzome/rhyzome/lab/wan"
	"github.com/rhyzome/rhyzome/sdk/client"
)

// makeHypervisor makes a host, and attaches its provider.
func (l *Lab) makeHypervisor(ctx context.Context, name string, addresses []netip.Prefix, nets segments) error {
	spec := hypervisor.Spec{Spec: l.spec(name), Trunk: nets.trunk, KVM: l.kvm}
	// At the provider's usual place inside, where QEMU's own user may go too.
	spec.Binds = append(spec.Binds, machine.Bind{Source: filepath.Join(l.dir(name), "rhyzome-libvirt"), Target: "/var/lib/rhyzome-libvirt"})
	m, err := hypervisor.Start(ctx, spec)
	if err != nil {
		return err
	}
	if err := nets.mgmt.Connect(m, "mgmt0"); err != nil {
		return err
	}
	if err := m.Address("mgmt0", addresses...); err != nil {
		return err
	}
	if err := startOwnService(ctx, m); err != nil {
		return err
	}
	return l.attach(ctx, m, "rhyzome-libvirt", coreOnMgmt[0].Addr(), fmt.Sprintf(`
host:
  name: %s
fabrics:
  %s:
    kind: openvswitch
    bridge: %s
`, name, fabricName, hypervisor.Bridge))
}

// makeRouter makes the NAT and the router behind it, and attaches the router's provider, which can only dial out.
func (l *Lab) makeRouter(ctx context.Context, nets segments) error {
	_, err := wan.StartNAT(ctx, l.spec(natName), nets.wan, nets.home, wan.NAT{
		Outside: natOnWAN, Inside: natOnHome,
		PortMin: wireGuardPortMin, PortMax: wireGuardPortMax, To: routerOnHome[0].Addr(),
	})
	if err != nil {
		return err
	}
	m, err := openwrt.Start(ctx, l.spec(routerName), l.bin("rhyzome"), nets.trunk, nets.home, openwrt.WAN{
		Addresses: routerOnHome, Gateways: []netip.Addr{natOnHome[0].Addr(), natOnHome[1].Addr()},
	})
	if err != nil {
		return err
	}
	if err := startOwnService(ctx, m); err != nil {
		return err
	}
	return l.attach(ctx, m, "rhyzome-openwrt", coreOnWAN[0].Addr(), fmt.Sprintf(`
router:
  name: %s
fabrics:
  %s:
    trunk: %s
endpoint:
  host: %s
  port_min: %d
  port_max: %d
`, routerName, fabricName, openwrt.Trunk, natOnWAN[0].Addr(), wireGuardPortMin, wireGuardPortMax))
}

// startOwnService gives a machine a web server of its owner's, which no tenant may reach: an administration page.
func startOwnService(ctx context.Context, m *machine.Machine) error {
	page := filepath.Join(m.Dir, "www")
	if err := os.MkdirAll(page, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(page, "index.html"), []byte("owner's page of "+m.Name+"\n"), 0o644); err != nil {
		return err
	}
	return m.StartService(ctx, machine.Service{
		Name: "httpd", Args: []string{"busybox", "httpd", "-f", "-p", "[::]:80", "-h", page}, Respawn: true,
	})
}

// attach joins a provider by the line that is printed with a fresh token, starts it, and waits until it is ready. From the
// WAN the core has another address than the one that it advertises.
func (l *Lab) attach(ctx context.Context, m *machine.Machine, plugin string, core netip.Addr, config string) error {
	_, token, err := l.api.Providers.CreateToken(ctx, client.NewToken{Name: m.Name})
	if err != nil {
		return err
	}
	file := filepath.Join(m.Dir, "provider.yaml")
	text := "config:" + strings.ReplaceAll(config, "\n", "\n  ")
	if err := os.WriteFile(file, []byte(strings.TrimRight(text, " ")), 0o600); err != nil {
		return err
	}
	state := filepath.Join(m.Dir, "provider")
	line := strings.NewReplacer(
		"PLUGIN", l.bin(plugin)+" --state-dir "+state,
		net.JoinHostPort(coreOnMgmt[0].Addr().String(), attachPort), net.JoinHostPort(core.String(), attachPort),
	).Replace(token.Command)
	join := m.Command(ctx, "sh")
	join.Stdin = strings.NewReader(line) // it holds the token
	if out, err := join.CombinedOutput(); err != nil {
		return fmt.Errorf("%s join: %w: %s", plugin, err, out)
	}
	if err := m.StartService(ctx, machine.Service{
		Name: plugin, Args: []string{l.bin(plugin), "attach", "--config", file, "--state-dir", state}, Respawn: true,
	}); err != nil {
		return err
	}
	return l.awaitProvider(ctx, m.Name)
}

// awaitProvider returns when a provider is ready for work.
func (l *Lab) awaitProvider(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		p, err := l.api.Providers.Get(ctx, name)
		if err == nil && p.Status.State == client.ProviderReady {
			l.Progress.Say("provider %s (%s) attached from %s", name, p.Status.Plugin, p.Status.Address)
			return nil
		}
		if pauseErr := pause(ctx, 200*time.Millisecond); pauseErr != nil {
			return fmt.Errorf("provider %s is %s: %s; see the log of its machine", name, p.Status.State, p.Status.Message)
		}
	}
}
