// SPDX-License-Identifier: Apache-2.0

package dnsmasq_test

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rhyzome/rhyzome/lab/openwrt/dnsmasq"
	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// The networks of the recordings.
var networks = dnsmasq.Networks{
	"loopback":     network("lo", "127.0.0.1/8"),
	"lan":          network("br-lan", "192.168.1.1/24"),
	"wan":          network("eth0", "198.18.2.2/24"),
	"rz_aaaaaaaa":  network("br-rz.121", "10.100.1.1/24"),
	"rzw_aaaaaaaa": {Proto: "wireguard", Device: "rzw_aaaaaaaa"},
	"rz_bbbbbbbb":  network("br-rz.122", "10.100.2.1/24"),
}

func network(device, address string) dnsmasq.Network {
	return dnsmasq.Network{Proto: "static", Device: device, Addresses: []netip.Prefix{netip.MustParsePrefix(address)}}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func input(t *testing.T, text string) dnsmasq.Input {
	t.Helper()
	p, err := uci.Parse("dhcp", text)
	if err != nil {
		t.Fatal(err)
	}
	return dnsmasq.Input{DHCP: p, Networks: networks, Hostname: "OpenWrt", Busy: func(string) bool { return false }}
}

func settings(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// The real init script rendered the same configuration.
func TestRenderAsTheRealScript(t *testing.T) {
	in := input(t, read(t, "dhcp.uci"))
	for _, s := range in.DHCP.Type("dnsmasq") {
		if s.Bool("disabled", false) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			got, err := dnsmasq.Render(in, s)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(settings(read(t, s.Name+".conf")), settings(got.Config)); diff != "" {
				t.Errorf("the real one's configuration (-) and ours (+) differ:\n%s", diff)
			}
			if diff := cmp.Diff(settings(read(t, s.Name+".hosts")), settings(got.Hosts)); diff != "" {
				t.Errorf("the real one's names (-) and ours (+) differ:\n%s", diff)
			}
			accepted(t, got.Config)
		})
	}
}

// accepted has the real dnsmasq check a configuration, but for the group and the files that are the router's.
func accepted(t *testing.T, config string) {
	t.Helper()
	var kept strings.Builder
	for line := range strings.Lines(config) {
		if !strings.HasPrefix(line, "group=") && !strings.HasPrefix(line, "conf-dir=") {
			kept.WriteString(line)
		}
	}
	file := filepath.Join(t.TempDir(), "dnsmasq.conf")
	if err := os.WriteFile(file, []byte(kept.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "dnsmasq", "--test", "-C", file).CombinedOutput(); err != nil {
		t.Errorf("dnsmasq: %v: %s", err, out)
	}
}

func TestPoolAvoidsTheRouter(t *testing.T) {
	for _, c := range []struct{ start, limit, want string }{
		{"100", "150", "10.100.1.100,10.100.1.249"},
		{"1", "1", "10.100.1.2,10.100.1.2"},
		{"0", "2", "10.100.1.2,10.100.1.3"},
		{"200", "100", "10.100.1.200,10.100.1.254"},
		{"10.100.1.7", "2", "10.100.1.7,10.100.1.8"},
		{"100", "0", ""},
		{"x", "1", ""},
	} {
		in := input(t, "config dnsmasq a\nconfig dhcp b\n\toption interface rz_aaaaaaaa\n\toption force 1\n\toption start "+c.start+"\n\toption limit "+c.limit+"\n")
		got, err := dnsmasq.Render(in, in.DHCP.Section("a"))
		if err != nil {
			t.Fatal(err)
		}
		var pool string
		for _, line := range settings(got.Config) {
			if rest, ok := strings.CutPrefix(line, "dhcp-range=set:rz_aaaaaaaa,"); ok {
				pool = strings.TrimSuffix(rest, ",255.255.255.0,12h")
			}
		}
		if pool != c.want {
			t.Errorf("start %s, limit %s: %q, want %q", c.start, c.limit, pool, c.want)
		}
	}
}

func TestRefusesWhatItCannotDo(t *testing.T) {
	in := input(t, "config dnsmasq a\nconfig relay\n")
	if _, err := dnsmasq.Render(in, in.DHCP.Section("a")); err == nil {
		t.Error("a relay was taken")
	}
}

func TestAnotherServerIsRespected(t *testing.T) {
	in := input(t, "config dnsmasq a\nconfig dhcp b\n\toption interface rz_aaaaaaaa\n")
	in.Busy = func(device string) bool { return device == "br-rz.121" }
	got, err := dnsmasq.Render(in, in.DHCP.Section("a"))
	if err != nil || strings.Contains(got.Config, "dhcp-range") {
		t.Errorf("%v\n%s", err, got.Config)
	}
}

func TestNothingIsServedAtBoot(t *testing.T) {
	in := input(t, read(t, "dhcp.uci"))
	in.Boot = true
	got, err := dnsmasq.Render(in, in.DHCP.Section("rz_aaaaaaaa_dns"))
	if err != nil || strings.Contains(got.Config, "dhcp-range") || strings.Contains(got.Config, "interface=br") {
		t.Errorf("%v\n%s", err, got.Config)
	}
}
