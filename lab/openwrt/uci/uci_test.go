// SPDX-License-Identifier: Apache-2.0

package uci_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

const sample = `# a comment
package network
config interface 'loopback'
	option device 'lo'   # behind a value
	list ipaddr '127.0.0.1/8'
	list ipaddr "10.0.0.1/8"

config zone
	option name wan; option masq 1
	option note 'it'\''s
two lines'
	option escaped "a \"b\" \\"
	option empty ''
	list   network	'wan'
	option both 'one'
	list both 'two words'
config interface 'loopback'
	option proto static
`

func TestParse(t *testing.T) {
	p, err := uci.Parse("network", sample)
	if err != nil {
		t.Fatal(err)
	}
	lo := p.Section("loopback")
	if lo == nil || len(p.Type("interface")) != 1 || lo.Get("proto") != "static" {
		t.Fatalf("the two halves of loopback were not merged: %+v", p.Sections)
	}
	if got := lo.Items("ipaddr"); !slices.Equal(got, []string{"127.0.0.1/8", "10.0.0.1/8"}) {
		t.Errorf("ipaddr = %q", got)
	}
	if p.Sections[0] != lo {
		t.Error("a section that is continued moved")
	}
	zone := p.Type("zone")[0]
	for name, want := range map[string]string{
		"name": "wan", "note": "it's\ntwo lines", "escaped": `a "b" \`, "empty": "", "missing": "", "both": "one two words",
	} {
		if got := zone.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if zone.Option("empty") != nil {
		t.Error("an empty option is set")
	}
	if got := zone.Items("both"); !slices.Equal(got, []string{"one", "two words"}) {
		t.Errorf("both = %q", got)
	}
	if !zone.Bool("masq", false) || zone.Bool("missing", false) || !zone.Bool("name", true) {
		t.Error("Bool")
	}
	if got := p.ID(zone); got != "@zone[0]" {
		t.Errorf("ID = %s", got)
	}
}

// The names are those that `uci show` prints on OpenWrt's default configuration.
func TestNamesOfAnonymousSections(t *testing.T) {
	p, err := uci.Parse("firewall", "config defaults\nconfig zone\nconfig zone\nconfig forwarding\nconfig rule\n")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"cfg01e63d", "cfg02dc81", "cfg03dc81", "cfg04ad58", "cfg0592bd"} {
		if got := p.Sections[i].Name; got != want {
			t.Errorf("section %d is %s, want %s", i, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, line := range map[string]int{
		"config a\noption b 'c\nconfig d\n": 2,
		"option b c\n":                      1,
		"config a\n\noption b-c d\n":        3,
		"config a 'b-c'\n":                  1,
		"config a b\nconfig c b\n":          2,
		"config a\noption b c d\n":          2,
		"nonsense\n":                        1,
	} {
		p, err := uci.Parse("x", text)
		var parse *uci.ParseError
		if !errors.As(err, &parse) || parse.Line != line {
			t.Errorf("%q: %v, want an error at line %d", text, err, line)
		}
		if p == nil {
			t.Errorf("%q: no package with what was read before", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("config a\n\tlist b '\\")
	f.Fuzz(func(t *testing.T, text string) {
		p, _ := uci.Parse("x", text)
		for _, s := range p.Sections {
			if s.Name == "" || s.Type == "" {
				t.Errorf("a section without name or type: %+v", s)
			}
			for _, o := range s.Options {
				if len(o.Values) == 0 || !o.List && len(o.Values) != 1 {
					t.Errorf("an option without its value: %+v", o)
				}
			}
		}
	})
}
