// SPDX-License-Identifier: Apache-2.0

package fabric_test

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/machine"
)

func TestMain(m *testing.M) {
	machine.Init()
	os.Exit(m.Run())
}

func run(t *testing.T, m *machine.Machine, line string) string {
	t.Helper()
	out, err := m.Run(t.Context(), "sh", "-c", line)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// host is a machine with an Open vSwitch on the trunk and a guest (a network namespace inside it) in each of two VLANs.
func host(t *testing.T, trunk *fabric.Segment, name, last string) *machine.Machine {
	t.Helper()
	m, err := machine.Start(t.Context(), machine.Spec{Name: name, Dir: filepath.Join(filepath.Dir(trunk.Dir), name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { machine.Remove(context.Background(), m.Dir) })
	if err := trunk.Connect(m, "trunk0"); err != nil {
		t.Fatal(err)
	}
	if err := fabric.StartOpenVSwitch(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := fabric.AddBridge(t.Context(), m, "br-rz", "trunk0"); err != nil {
		t.Fatal(err)
	}
	for _, vlan := range []string{"10", "20"} {
		run(t, m, "ovs-vsctl add-port br-rz g"+vlan+" tag="+vlan+" -- set interface g"+vlan+" type=internal"+
			" && ip netns add g"+vlan+" && ip link set g"+vlan+" netns g"+vlan+
			" && ip -n g"+vlan+" address add 198.18.9."+last+"/24 dev g"+vlan+" && ip -n g"+vlan+" link set g"+vlan+" up")
	}
	return m
}

func TestVLANsCrossTheTrunkAndStayApart(t *testing.T) {
	trunk, err := fabric.StartSegment(t.Context(), "trunk", filepath.Join(t.TempDir(), "trunk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { machine.Remove(context.Background(), trunk.Dir) })
	a, b := host(t, trunk, "hv1", "1"), host(t, trunk, "hv2", "2")

	reach := func(vlan string) bool {
		_, err := a.Run(t.Context(), "ip", "netns", "exec", "g"+vlan, "ping", "-c1", "-W2", "198.18.9.2")
		return err == nil
	}
	if !reach("10") || !reach("20") {
		t.Fatal("the guests of a VLAN don't reach each other")
	}
	// Guests have the same addresses in both VLANs: with one pair away, the other pair must not answer for it.
	run(t, b, "ip -n g10 link set g10 down")
	if reach("10") {
		t.Error("a guest of the other VLAN answered")
	}
	run(t, b, "ip -n g10 link set g10 up")

	tags := capture(t, trunk, func() { reach("20") })
	if !strings.Contains(tags, "vlan 20") || strings.Contains(tags, "vlan 10") {
		t.Errorf("captured on the trunk: %s", tags)
	}
	if err := trunk.Cut(b); err != nil {
		t.Fatal(err)
	}
	if reach("20") {
		t.Error("the cut trunk carries packets")
	}
	if err := trunk.Mend(b); err != nil {
		t.Fatal(err)
	}
	if !reach("20") {
		t.Error("the mended trunk carries nothing")
	}
	// The switch comes back after a crash, with its ports.
	if err := a.SignalService(t.Context(), fabric.SwitchService, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	run(t, a, "for i in $(seq 200); do ip link show g20 >/dev/null 2>&1 && exit 0; sleep 0.05; done; exit 1")
}

// capture returns what tcpdump prints of the first two tagged pings that cross the segment while f runs.
func capture(t *testing.T, s *fabric.Segment, f func()) string {
	t.Helper()
	cmd := s.Command(t.Context(), "timeout", "10", "tcpdump", "-i", "br0", "-nel", "-c", "2", "vlan and icmp")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(ready); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "listening on") {
			break
		}
	}
	f()
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
	}
	cmd.Wait()
	return text.String()
}
