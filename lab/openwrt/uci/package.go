// SPDX-License-Identifier: Apache-2.0

// Package uci reads OpenWrt's configuration files for the stand-in's programs, with libuci's grammar and its names for
// anonymous sections. It does not write.
package uci

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Directories that a package is looked for in; the first file wins.
var dirs = []string{"/var/run/uci", "/etc/config"}

// Package is one configuration file.
type Package struct {
	Name     string
	Sections []*Section
}

// Section is one `config TYPE 'NAME'`.
type Section struct {
	Type      string
	Name      string // cfgXXYYYY if Anonymous
	Anonymous bool
	Options   []*Option
}

// Option is an option or a list.
type Option struct {
	Name   string
	List   bool
	Values []string // one if not List
}

// Load reads a package of this machine. A package without a file is an error, and so is one with a syntax error; then the
// package holds what was read before it.
func Load(name string) (*Package, error) {
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			return Parse(name, string(text))
		}
	}
	return &Package{Name: name}, fmt.Errorf("uci: %s: Entry not found", name)
}

// Type returns the sections of a type, in order.
func (p *Package) Type(t string) []*Section {
	var found []*Section
	for _, s := range p.Sections {
		if s.Type == t {
			found = append(found, s)
		}
	}
	return found
}

// Section returns the section of a name, or nil.
func (p *Package) Section(name string) *Section {
	for _, s := range p.Sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// ID is how programs name a section to people: @TYPE[INDEX] for an anonymous one.
func (p *Package) ID(s *Section) string {
	if !s.Anonymous {
		return s.Name
	}
	return fmt.Sprintf("@%s[%d]", s.Type, slices.Index(p.Type(s.Type), s))
}

// Option returns an option, or nil.
func (s *Section) Option(name string) *Option {
	for _, o := range s.Options {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// Get returns the value of an option as shell scripts see it: the items of a list with spaces between; "" if it is not set.
func (s *Section) Get(name string) string {
	if o := s.Option(name); o != nil {
		return strings.Join(o.Values, " ")
	}
	return ""
}

// Default returns the value of an option, or another if it is not set or empty.
func (s *Section) Default(name, value string) string {
	if v := s.Get(name); v != "" {
		return v
	}
	return value
}

// Words returns the words of an option or list.
func (s *Section) Words(name string) []string { return strings.Fields(s.Get(name)) }

// Items returns the items of a list; an option counts as the list of its words.
func (s *Section) Items(name string) []string {
	o := s.Option(name)
	if o == nil {
		return nil
	}
	if o.List {
		return o.Values
	}
	return strings.Fields(o.Values[0])
}

// List returns the items of a list; of an option, nothing: shell scripts walk lists only.
func (s *Section) List(name string) []string {
	if o := s.Option(name); o != nil && o.List {
		return o.Values
	}
	return nil
}

// Bool returns a boolean option; what is not a boolean counts as the default.
func (s *Section) Bool(name string, value bool) bool {
	switch s.Get(name) {
	case "1", "on", "true", "yes", "enabled":
		return true
	case "0", "off", "false", "no", "disabled":
		return false
	}
	return value
}
