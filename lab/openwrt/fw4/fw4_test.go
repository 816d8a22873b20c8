// SPDX-License-Identifier: Apache-2.0

package fw4_test

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rhyzome/rhyzome/lab/openwrt/fw4"
	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// The networks of the recordings.
var networks = fw4.Networks{
	"loopback": {Device: "lo", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
	"lan":      {Device: "br-lan", Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.1.1/24")}},
	"wan": {Device: "eth0", Addresses: []netip.Prefix{
		netip.MustParsePrefix("198.18.2.2/24"), netip.MustParsePrefix("fd00:7268:2::2/64"),
	}},
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t *testing.T, text string) *uci.Package {
	t.Helper()
	p, err := uci.Parse("firewall", text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// statements drops what means nothing: blank lines, comments, indentation.
func statements(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// The real fw4 rendered the same configurations; ours must mean the same, statement by statement.
func TestRenderAsTheRealOne(t *testing.T) {
	for _, name := range []string{"owner", "networks"} {
		t.Run(name, func(t *testing.T) {
			got, err := fw4.Render(parse(t, read(t, name+".uci")), networks)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(statements(read(t, name+".nft")), statements(got.Text)); diff != "" {
				t.Errorf("the real one (-) and ours (+) differ:\n%s", diff)
			}
			want := statements(read(t, name+".warnings"))
			if diff := cmp.Diff(want, statements(strings.Join(got.Warnings, "\n"))); diff != "" {
				t.Errorf("warnings of the real one (-) and of ours (+) differ:\n%s", diff)
			}
			check := exec.CommandContext(t.Context(), "unshare", "--net", "nft", "-c", "-f", "-")
			check.Stdin = strings.NewReader(got.Text)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("nft: %v: %s", err, out)
			}
		})
	}
}

func TestNoConfigurationDropsEverything(t *testing.T) {
	got, err := fw4.Render(&uci.Package{Name: "firewall"}, nil)
	if err != nil || !strings.Contains(got.Text, "hook input priority filter; policy drop;") {
		t.Errorf("%v\n%s", err, got.Text)
	}
}

func TestRefusesWhatItCannotDo(t *testing.T) {
	zones := "config zone\n\toption name a\n\toption network lan\n\toption masq 1\n"
	for _, text := range []string{
		"config ipset\n\toption name x\n",
		"config nat\n",
		"config zone\n\toption name a\n\tlist masq_src 10.0.0.0/8\n",
		"config rule\n\toption ipset x\n",
		"config rule\n\toption target MARK\n",
		zones + "config redirect\n\toption src a\n\toption dest a\n\toption dest_ip 192.168.1.2\n\toption src_dport 80\n",
	} {
		if _, err := fw4.Render(parse(t, text), networks); !errors.Is(err, fw4.ErrNotSupported) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
