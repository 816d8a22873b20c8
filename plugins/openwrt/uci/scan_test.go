// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// recording is what OpenWrt's own `uci export` made of a file (testdata/export.json, recorded with uci 66127cd, without
// the package line).
type recording struct {
	Text    string
	Export  string
	Refused bool
}

// looser lists the recorded texts that uci refuses and we do not: names and repeated sections are none of our business in
// what is not ours, as long as it is cut at the right places.
var looser = map[string]bool{
	"config a 'b-c'\n":                 true,
	"config a 'b'\n\toption x-y 'z'\n": true,
	"config a 'b'\n\nconfig c 'b'\n":   true,
}

func TestReadsWhatUCIReads(t *testing.T) {
	for _, r := range recordings(t) {
		f, err := Parse("test", r.Text, func(string) bool { return false })
		switch {
		case r.Refused && err == nil && !looser[r.Text]:
			t.Errorf("%q: uci refuses it, we do not", r.Text)
		case !r.Refused && err != nil:
			t.Errorf("%q: uci reads it, we do not: %v", r.Text, err)
		case !r.Refused && export(f.Foreign()) != r.Export:
			t.Errorf("%q:\nuci  %q\nours %q", r.Text, r.Export, export(f.Foreign()))
		case err == nil && f.Text() != r.Text:
			t.Errorf("%q came back as %q", r.Text, f.Text())
		}
	}
}

func recordings(t *testing.T) []recording {
	content, err := os.ReadFile("testdata/export.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []recording
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// export writes sections as `uci export` does.
func export(sections []Section) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "\nconfig %s", s.Type)
		if s.Name != "" {
			b.WriteString(" " + quote(s.Name))
		}
		b.WriteString("\n")
		for _, o := range s.Options {
			keyword := "option"
			if o.List {
				keyword = "list"
			}
			for _, v := range o.Values {
				fmt.Fprintf(&b, "\t%s %s %s\n", keyword, o.Name, quote(v))
			}
		}
	}
	b.WriteString("\n")
	return b.String()
}

func TestSyntaxErrorsNameTheLine(t *testing.T) {
	for text, line := range map[string]int{
		"config a 'b'\n\toption x 'y'\nnonsense here\n":         3,
		"config a 'b'\n\toption x 'y\nand on\n":                 2,
		"config a 'b'\n\toption x \"1\n2\n3\"\n\toptionx y\n":   5,
		"# fine\n\noption x y\n":                                3,
		"config a 'b'\n\toption x y z\n":                        2,
		"config a 'b'\n\toption x a\\\n":                        3,
		"config a 'b'\n\toption x 'y\x00'\n":                    2,
		"config a 'b'\n\toption x 'y' ; config rz_ 'rz_ours'\n": 2,
	} {
		_, err := Parse("network", text, ours)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Line != line || syntax.File != "network" {
			t.Errorf("%q: %v, want a fault in line %d", text, err, line)
		}
	}
}

func ours(name string) bool { return strings.HasPrefix(name, "rz_") }
