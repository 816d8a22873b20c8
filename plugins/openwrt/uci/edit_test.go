// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// owner is what a router's owner might have written: syntax that go-uci refuses or corrupts, and formatting to lose.
const owner = `package network

# My router. Don't touch!   

config  interface  "loopback"
  option device lo; option proto "static" # two commands
	list ipaddr '127.0.0.1/8'
	list ipaddr '127.0.0.1/8'

config interface 'wan'
	option descr 'it'\''s mine'
	option banner 'one
two'
	option empty ''


# the end, with two empty lines above
`

func web() Section {
	s := Section{Type: "interface", Name: "rz_web"}
	s.Set("device", "br-rz.120")
	s.SetList("ipaddr", "10.1.0.1/24", "10.1.1.1/24")
	return s
}

func TestSetAppendsAndDeleteLeavesNoTrace(t *testing.T) {
	for _, text := range []string{owner, "", "\n", "config a 'b'\n\n\n", owner + "\n\n"} {
		f := parse(t, text)
		set(t, f, web())
		want := text + "\nconfig interface 'rz_web'\n\toption device 'br-rz.120'\n\tlist ipaddr '10.1.0.1/24'\n\tlist ipaddr '10.1.1.1/24'\n"
		if diff := cmp.Diff(want, f.Text()); diff != "" {
			t.Errorf("after Set of %q:\n%s", text, diff)
		}
		again := parse(t, f.Text())
		again.Delete("rz_web")
		if diff := cmp.Diff(text, again.Text()); diff != "" {
			t.Errorf("after Delete:\n%s", diff)
		}
	}
}

func TestAnUnfinishedLastLineIsFinished(t *testing.T) {
	f := parse(t, "config a 'b'\n\toption x 'y' # end")
	set(t, f, web())
	if !strings.HasPrefix(f.Text(), "config a 'b'\n\toption x 'y' # end\n\nconfig interface 'rz_web'\n") {
		t.Errorf("%q", f.Text())
	}
}

func TestSetReplacesInPlace(t *testing.T) {
	f := parse(t, owner)
	set(t, f, web(), Section{Type: "zone", Name: "rz_z"})
	f = parse(t, f.Text()+"\n# the owner came back\nconfig rule\n\toption x 'y'\n")
	before := f.Text()
	set(t, f, web())
	if f.Text() != before {
		t.Error("setting what is there already changed the text")
	}
	changed := web()
	changed.Set("device", "br-rz.121")
	set(t, f, changed)
	want := strings.Replace(before, "\toption device 'br-rz.120'\n", "", 1)
	want = strings.Replace(want, "'10.1.1.1/24'\n", "'10.1.1.1/24'\n\toption device 'br-rz.121'\n", 1)
	if diff := cmp.Diff(want, f.Text()); diff != "" {
		t.Error(diff)
	}
}

func TestASectionWrittenTwiceIsOne(t *testing.T) {
	f := parse(t, "config interface 'rz_web'\n\toption x '1'\n\nconfig a\n\nconfig interface 'rz_web'\n\toption x '2'\n\tlist y '3'\n")
	s, ok := f.Section("rz_web")
	if !ok || s.Get("x") != "2" || len(s.Values("y")) != 1 {
		t.Fatalf("read %+v", s)
	}
	set(t, f, web())
	if got := f.Text(); strings.Count(got, "rz_web") != 1 || !strings.Contains(got, "\nconfig a\n") {
		t.Errorf("%q", got)
	}
}

func TestCommentsBehindOurSectionAreTheOwners(t *testing.T) {
	text := "config interface 'rz_web'\n\toption x '1'\n# mine\n\n\t# mine too\nconfig a\n"
	f := parse(t, text)
	f.Delete("rz_web")
	if want := "# mine\n\n\t# mine too\nconfig a\n"; f.Text() != want {
		t.Errorf("%q", f.Text())
	}
}

func TestChangesCanBeReplayedAndUndone(t *testing.T) {
	f := parse(t, owner)
	set(t, f, web(), Section{Type: "zone", Name: "rz_old"})
	base := f.Text()
	f = parse(t, base)
	changed := web()
	changed.Set("device", "br-rz.121")
	set(t, f, changed, Section{Type: "zone", Name: "rz_new"})
	f.Delete("rz_old")
	changes := f.Changes()
	if len(changes) != 3 {
		t.Fatalf("changes = %+v", changes)
	}
	other := parse(t, "# the owner was here\n"+base)
	other.Replay(changes)
	if want := "# the owner was here\n" + f.Text(); other.Text() != want || !other.Holds(changes) {
		t.Errorf("replayed: %s", cmp.Diff(want, other.Text()))
	}
	other.Replay(Inverse(changes))
	if !other.Holds(Inverse(changes)) || other.foreign() != "# the owner was here\n"+owner {
		t.Errorf("undone: %q", other.Text())
	}
}

func TestValuesThatCannotBeWrittenAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Section){
		"injection":     func(s *Section) { s.Set("x", "x'\n\nconfig rule 'evil'\n\toption target 'ACCEPT") },
		"quote":         func(s *Section) { s.Set("x", "it's") },
		"newline":       func(s *Section) { s.Set("x", "a\nb") },
		"backslash":     func(s *Section) { s.Set("x", `a\`) },
		"tab":           func(s *Section) { s.Set("x", "a\tb") },
		"not UTF-8":     func(s *Section) { s.Set("x", "\xff") },
		"long":          func(s *Section) { s.Set("x", strings.Repeat("k", 2000)) },
		"empty in list": func(s *Section) { s.SetList("x", "") },
		"twice in list": func(s *Section) { s.SetList("x", "a", "a") },
		"two values":    func(s *Section) { s.Options = []Option{{Name: "x", Values: []string{"a", "b"}}} },
		"no value":      func(s *Section) { s.Options = []Option{{Name: "x"}} },
		"option name":   func(s *Section) { s.Set("x-y", "z") },
		"option twice":  func(s *Section) { s.Options = append(s.Options, s.Options[0]) },
		"type":          func(s *Section) { s.Type = "a b" },
		"no type":       func(s *Section) { s.Type = "" },
		"name":          func(s *Section) { s.Name = "rz_a'b" },
		"foreign name":  func(s *Section) { s.Name = "lan" },
	} {
		f := parse(t, owner)
		s := web()
		change(&s)
		var value *ValueError
		if err := f.Set(s); !errors.As(err, &value) {
			t.Errorf("%s: %v", name, err)
		}
		if f.Text() != owner {
			t.Errorf("%s: the text changed", name)
		}
	}
}

func TestARefusalDoesNotShowTheValue(t *testing.T) {
	s := web()
	s.Set("private_key", "hidden'key")
	if err := parse(t, "").Set(s); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%v", err)
	}
}

// FuzzEdit cuts, changes and restores arbitrary text: what is not ours never changes.
func FuzzEdit(f *testing.F) {
	for _, seed := range []string{owner, "", "\n\n", "config rz 'rz_web'\n", "config a\n\nconfig b 'rz_a'\n\toption x y\n\n\nconfig c 'rz_b'", "# a\\\n"} {
		f.Add(seed)
	}
	f.Fuzz(edits)
}

// FuzzEditFragments does the same with texts put together of what matters to the cutting.
func FuzzEditFragments(f *testing.F) {
	fragments := []string{
		"\n", "\n", "config a 'b'\n", "config c\n", "config rz 'rz_a'\n", "config rz 'rz_web'\n", "config rz \"rz_b\"",
		"\toption x 'y'\n", "\toption x 'y", "'\n", "\tlist z w\n", "# comment\n", "# 'comment", " ", "\\\n", "\r\n", ";", "\"", "option x y",
	}
	f.Add([]byte{4, 7, 0, 0, 2, 7, 5, 10, 11, 0})
	f.Add([]byte{0, 4, 7, 0, 5, 7, 0, 0, 2})
	f.Fuzz(func(t *testing.T, recipe []byte) {
		var text strings.Builder
		for _, i := range recipe {
			text.WriteString(fragments[int(i)%len(fragments)])
		}
		edits(t, text.String())
	})
}

func edits(t *testing.T, text string) {
	file, err := Parse("fuzz", text, ours)
	if err != nil {
		return
	}
	if file.Text() != text {
		t.Fatalf("%q came back as %q", text, file.Text())
	}
	foreign := file.foreign()
	if names := file.Names(); len(names) > 1 {
		file.Delete(names[0])
	}
	set(t, file, web())
	changes := file.Changes()
	expect(t, text, file, changes, foreign)
	file = parse(t, file.Text())
	file.Replay(Inverse(changes))
	expect(t, text, file, Inverse(changes), foreign)
}

func expect(t *testing.T, text string, file *File, changes []Change, foreign string) {
	again := parse(t, file.Text())
	if now := again.foreign(); now != foreign && now != foreign+"\n" {
		t.Fatalf("%q: foreign text %q became %q", text, foreign, now)
	}
	if !again.Holds(changes) {
		t.Fatalf("%q: %q does not hold %+v", text, file.Text(), changes)
	}
}

func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("network", text, ours)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return f
}

func set(t *testing.T, f *File, sections ...Section) {
	t.Helper()
	if err := f.Set(sections...); err != nil {
		t.Fatal(err)
	}
}
