// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"slices"
	"strings"
)

// File is the text of one configuration file, cut into what is ours and what is not.
type File struct {
	name   string
	owned  func(name string) bool
	pieces []piece
	before map[string]string // the text of our sections as it was when the file was parsed
	order  []string          // and their names
}

// piece is a run of text: one of our sections (owner is its name), or something else.
type piece struct {
	owner string
	text  string
}

// Parse cuts a text. Sections whose name owned accepts are ours.
func Parse(name, text string, owned func(name string) bool) (*File, error) {
	statements, err := scan(name, text)
	if err != nil {
		return nil, err
	}
	f := &File{name: name, owned: owned}
	if f.pieces, err = cut(name, text, statements, owned); err != nil {
		return nil, err
	}
	f.before, f.order = f.texts(), f.Names()
	return f, nil
}

// cut splits the text. One of our sections reaches from its config line, with one empty line above it, to its last
// option; comments and empty lines behind that belong to whoever wrote them.
func cut(name, text string, statements []statement, owned func(string) bool) ([]piece, error) {
	var pieces []piece
	foreignFrom, owner, end := 0, "", 0
	closeSection := func() {
		if owner != "" {
			pieces = append(pieces, piece{owner: owner, text: text[foreignFrom:end]})
			foreignFrom, owner = end, ""
		}
	}
	started := false
	for _, st := range statements {
		if !started && (st.keyword == "option" || st.keyword == "list") {
			return nil, &SyntaxError{File: name, Line: st.line, Problem: st.keyword + " before the first section"}
		}
		if st.keyword == "config" {
			started = true
			closeSection()
			if len(st.args) == 2 && owned(st.args[1]) {
				begin := withBlankLine(text, st.start, foreignFrom)
				pieces = appendForeign(pieces, text[foreignFrom:begin])
				foreignFrom, owner = begin, st.args[1]
			}
		}
		if owner != "" && st.shared {
			return nil, &SyntaxError{File: name, Line: st.line, Problem: "section " + owner + " shares a line with other commands"}
		}
		end = st.end
	}
	closeSection()
	return appendForeign(pieces, text[foreignFrom:]), nil
}

func appendForeign(pieces []piece, text string) []piece {
	if text == "" {
		return pieces
	}
	return append(pieces, piece{text: text})
}

// withBlankLine moves start up by one line if that one is empty and not taken.
func withBlankLine(text string, start, limit int) int {
	if start > limit && text[start-1] == '\n' && (start == 1 || text[start-2] == '\n') {
		return start - 1
	}
	return start
}

// texts returns the text of each of our sections, without the empty line above it; one that is written in several
// places counts as one.
func (f *File) texts() map[string]string {
	texts := map[string]string{}
	for _, p := range f.pieces {
		if p.owner != "" {
			texts[p.owner] += terminated(strings.TrimPrefix(p.text, "\n"))
		}
	}
	return texts
}

// Text returns the whole file.
func (f *File) Text() string {
	var b strings.Builder
	for _, p := range f.pieces {
		b.WriteString(p.text)
	}
	return b.String()
}

// foreign returns everything that is not ours.
func (f *File) foreign() string {
	var b strings.Builder
	for _, p := range f.pieces {
		if p.owner == "" {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// Names returns the names of our sections, in the file's order.
func (f *File) Names() []string {
	var names []string
	seen := map[string]bool{}
	for _, p := range f.pieces {
		if p.owner != "" && !seen[p.owner] {
			seen[p.owner] = true
			names = append(names, p.owner)
		}
	}
	return names
}

// Sections returns our sections, in the file's order.
func (f *File) Sections() []Section {
	var all []Section
	for _, p := range f.pieces {
		if p.owner != "" {
			all = append(all, f.read(p.text)...)
		}
	}
	return merged(all)
}

// Foreign returns the sections that are not ours.
func (f *File) Foreign() []Section { return merged(f.read(f.foreign())) }

// Section returns one of our sections.
func (f *File) Section(name string) (Section, bool) {
	text, ok := f.texts()[name]
	if !ok {
		return Section{}, false
	}
	return merged(f.read(text))[0], true
}

// read returns the sections of a text that was scanned without fault before.
func (f *File) read(text string) []Section {
	statements, err := scan(f.name, text)
	if err != nil {
		return nil
	}
	var all []Section
	for _, st := range statements {
		args := append(slices.Clone(st.args), "")
		switch st.keyword {
		case "config":
			all = append(all, Section{Type: args[0], Name: args[1]})
		case "option", "list":
			all[len(all)-1].merge(st.keyword == "list", args[0], args[1])
		}
	}
	return all
}

// merged joins named sections that are written in several places.
func merged(all []Section) []Section {
	var out []Section
	for _, s := range all {
		i := slices.IndexFunc(out, func(o Section) bool { return s.Name != "" && o.Name == s.Name })
		if i < 0 {
			out = append(out, s)
			continue
		}
		for _, o := range s.Options {
			for _, v := range o.Values {
				out[i].merge(o.List, o.Name, v)
			}
		}
	}
	return out
}

// put replaces the text of one of our sections in its place, appends it if it is new, removes it if text is empty.
func (f *File) put(name, text string) {
	text = terminated(text)
	i := slices.IndexFunc(f.pieces, func(p piece) bool { return p.owner == name })
	if i < 0 {
		f.pieces = append(f.pieces, piece{owner: name, text: "\n" + text})
	} else {
		f.pieces[i].text = keepBlankLine(f.pieces[i].text, text)
		rest := slices.DeleteFunc(f.pieces[i+1:], func(p piece) bool { return p.owner == name })
		f.pieces = f.pieces[:i+1+len(rest)]
	}
	f.pieces = slices.DeleteFunc(f.pieces, func(p piece) bool { return p.text == "" })
	f.separate()
}

func keepBlankLine(old, text string) string {
	if text != "" && strings.HasPrefix(old, "\n") {
		return "\n" + text
	}
	return text
}

// separate completes a last line that has no newline before something follows it, and sees to it that an empty line of
// somebody else above one of our sections is not taken for ours when the text is read again.
func (f *File) separate() {
	for i := 1; i < len(f.pieces); i++ {
		above, p := &f.pieces[i-1], &f.pieces[i]
		above.text = terminated(above.text)
		blank := strings.HasSuffix(above.text, "\n\n") || above.text == "\n"
		if p.owner != "" && blank && !strings.HasPrefix(p.text, "\n") {
			p.text = "\n" + p.text
		}
	}
}

// terminated returns the text with a newline at its end.
func terminated(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
