// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/hypervisor"
)

// network is a VLAN with a router: a namespace of its own with an internal port of the switch, DHCP and addresses.
type network struct {
	namespace string
	address   string // of the router
}

// newNetwork makes 10.VLAN.0.0/24 and fd00:VLAN::/64, with leases for the cards and addresses given.
func newNetwork(t *testing.T, vlan int, leases map[string]string) network {
	t.Helper()
	n := network{namespace: fmt.Sprintf("router%d", vlan), address: fmt.Sprintf("10.%d.0.1", vlan)}
	port := fmt.Sprintf("r%d", vlan)
	run(t, "ip", "netns", "add", n.namespace)
	t.Cleanup(func() { run(t, "ip", "netns", "del", n.namespace) })
	run(t, "ovs-vsctl", "add-port", hypervisor.Bridge, port, fmt.Sprintf("tag=%d", vlan), "--", "set", "interface", port, "type=internal")
	t.Cleanup(func() { run(t, "ovs-vsctl", "del-port", port) })
	run(t, "ip", "link", "set", port, "netns", n.namespace)
	n.run(t, "ip", "link", "set", "lo", "up")
	n.run(t, "ip", "addr", "add", n.address+"/24", "dev", port)
	n.run(t, "ip", "addr", "add", fmt.Sprintf("fd00:%d::1/64", vlan), "dev", port, "nodad")
	n.run(t, "ip", "link", "set", port, "up")

	args := []string{"netns", "exec", n.namespace, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-ping", "--port=0",
		"--pid-file=", "--dhcp-leasefile=" + t.TempDir() + "/leases", "--log-facility=-", "--interface=" + port, "--bind-interfaces",
		"--dhcp-range=" + fmt.Sprintf("10.%d.0.0,static,255.255.255.0", vlan),
		"--enable-ra", "--dhcp-range=" + fmt.Sprintf("fd00:%d::,static,64", vlan)}
	for mac, address := range leases {
		args = append(args, "--dhcp-host="+mac+","+address)
	}
	server := exec.Command("ip", args...)
	server.Stdout, server.Stderr = t.Output(), t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(unix.SIGTERM)
		server.Wait()
	})
	return n
}

// run runs a command where the router is.
func (n network) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return run(t, "ip", append([]string{"netns", "exec", n.namespace, name}, args...)...)
}

// try is run for what may fail.
func (n network) try(name string, args ...string) (string, error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", n.namespace, name}, args...)...).Output()
	return string(out), err
}

// listen opens a TCP port on the router.
func (n network) listen(t *testing.T, port int) net.Listener {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := netns.GetFromName(n.namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", n.address, port))
	if back := netns.Set(home); back != nil {
		t.Fatal(back) // and the thread ends with this goroutine
	}
	runtime.UnlockOSThread()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}
