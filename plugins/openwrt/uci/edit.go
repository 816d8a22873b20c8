// SPDX-License-Identifier: Apache-2.0

package uci

import "slices"

// Set writes sections of ours: in its place if it exists, at the end if it is new. One that holds the same already
// keeps its text. It fails with *ValueError if something cannot be written.
func (f *File) Set(sections ...Section) error {
	var changed []Section
	for _, s := range sections {
		if !f.owned(s.Name) {
			return &ValueError{Section: s.Name, Problem: "the section is not ours"}
		}
		if old, ok := f.Section(s.Name); !ok || !old.equal(s) {
			changed = append(changed, s)
		}
	}
	texts, err := render(changed)
	if err != nil {
		return err
	}
	for i, s := range changed {
		f.put(s.Name, texts[i])
	}
	return nil
}

// Delete removes sections of ours; what does not exist is no fault.
func (f *File) Delete(names ...string) {
	for _, name := range names {
		if _, ok := f.texts()[name]; ok {
			f.put(name, "")
		}
	}
}

// Change is what became of one section: its text before and after, empty for none.
type Change struct {
	Section string `json:"section"`
	Before  string `json:"before"`
	After   string `json:"after"`
}

// Changes returns what Set, Delete and Replay did since the file was parsed: removals first, then in the file's order.
func (f *File) Changes() []Change {
	now := f.texts()
	var all []Change
	for _, name := range f.order {
		if _, ok := now[name]; !ok {
			all = append(all, Change{Section: name, Before: f.before[name]})
		}
	}
	for _, name := range f.Names() {
		if now[name] != f.before[name] {
			all = append(all, Change{Section: name, Before: f.before[name], After: now[name]})
		}
	}
	return all
}

// Replay makes the same changes on another reading of the file.
func (f *File) Replay(changes []Change) {
	for _, c := range changes {
		if c.After == "" {
			f.Delete(c.Section)
			continue
		}
		f.put(c.Section, c.After)
	}
}

// Holds reports whether every changed section is as the changes left it.
func (f *File) Holds(changes []Change) bool {
	texts := f.texts()
	return !slices.ContainsFunc(changes, func(c Change) bool { return texts[c.Section] != c.After })
}

// Inverse returns the changes that undo these.
func Inverse(changes []Change) []Change {
	inverse := make([]Change, 0, len(changes))
	for _, c := range changes {
		inverse = append(inverse, Change{Section: c.Section, Before: c.After, After: c.Before})
	}
	return inverse
}
