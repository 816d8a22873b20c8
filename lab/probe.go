// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/lab/guest"
	"github.com/rhyzome/rhyzome/lab/machine"
)

// place is where a probe starts: a guest, by its serial console, or a machine of the lab. Both have busybox.
type place struct {
	name string
	run  func(ctx context.Context, command string) (output string, ok bool, err error)
}

// onMachine probes from a machine of the lab.
func onMachine(name string, m *machine.Machine) place {
	return place{name, func(ctx context.Context, command string) (string, bool, error) {
		ctx, cancel := context.WithTimeout(ctx, probeLimit)
		defer cancel()
		out, err := m.Run(ctx, "sh", "-c", command+" 2>&1")
		if ctx.Err() != nil {
			return out, false, fmt.Errorf("%s: %s: %w", name, command, ctx.Err())
		}
		return out, err == nil, nil
	}}
}

// onGuest probes from inside a guest. The console is opened at the first probe, and kept by the caller's close.
func onGuest(name string, c *guest.Console) place {
	return place{name, func(ctx context.Context, command string) (string, bool, error) {
		ctx, cancel := context.WithTimeout(ctx, bootLimit)
		defer cancel()
		out, code, err := c.Run(ctx, command)
		return out, code == 0, err
	}}
}

const (
	probeLimit = 30 * time.Second
	bootLimit  = 3 * time.Minute // the first command waits until the guest is up
)

// openConsole opens the serial console of an instance, on the host that runs it.
func openConsole(ctx context.Context, host *machine.Machine, instance string) (*guest.Console, func(), error) {
	tty, err := host.Run(ctx, "virsh", "-q", "-c", "qemu:///system", "ttyconsole", "rz-"+instance)
	if err != nil {
		return nil, nil, err
	}
	line, err := os.OpenFile(host.Path(strings.TrimSpace(tty)), os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	return guest.NewConsole(line), func() { line.Close() }, nil
}

// The probes, as commands that succeed if what they ask for is reachable.

func ping(address string) string { return "busybox ping -c 1 -W 2 " + address }

// fetch gets the first page of a web server, which in guests is the guest's name. (The option -T of Debian's static
// busybox crashes.)
func fetch(host string) string { return get(url(host, "/")) }

func get(url string) string { return "busybox timeout 4 busybox wget -q -O - " + url }

// lookUp asks one resolver for the addresses of a name.
func lookUp(name, resolver string) string {
	return fmt.Sprintf("busybox timeout 3 busybox nslookup %s %s", name, resolver)
}

func url(host, path string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	return "http://" + host + path
}

// ownAddresses lists the addresses of a guest's network card.
const ownAddresses = "ip -o addr show dev eth0"

// globalAddresses reads what ownAddresses printed: the addresses that a router forwards.
func globalAddresses(output string) []string {
	return addresses(output, func(a netip.Addr) bool { return !a.IsLinkLocalUnicast() })
}

// linkLocalAddresses reads likewise those that stay on the segment.
func linkLocalAddresses(output string) []string {
	return addresses(output, netip.Addr.IsLinkLocalUnicast)
}

func addresses(output string, wanted func(netip.Addr) bool) []string {
	var all []string
	for _, line := range strings.Split(output, "\n") {
		fields := strings.Fields(line)
		for i, f := range fields[:max(0, len(fields)-1)] {
			if f != "inet" && f != "inet6" {
				continue
			}
			if p, err := netip.ParsePrefix(fields[i+1]); err == nil && wanted(p.Addr()) {
				all = append(all, p.Addr().String())
			}
		}
	}
	return all
}
