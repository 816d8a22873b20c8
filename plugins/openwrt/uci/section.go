// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"slices"
	"strings"
)

// Section is one section of a file. An anonymous one has no name.
type Section struct {
	Type    string
	Name    string
	Options []Option
}

// Option is an option with one value, or a list.
type Option struct {
	Name   string
	List   bool
	Values []string
}

// Set gives the section an option; an empty value is none, as in uci.
func (s *Section) Set(name, value string) {
	s.remove(name)
	if value != "" {
		s.Options = append(s.Options, Option{Name: name, Values: []string{value}})
	}
}

// SetList gives the section a list; without values it has none.
func (s *Section) SetList(name string, values ...string) {
	s.remove(name)
	if len(values) > 0 {
		s.Options = append(s.Options, Option{Name: name, List: true, Values: values})
	}
}

func (s *Section) remove(name string) {
	s.Options = slices.DeleteFunc(s.Options, func(o Option) bool { return o.Name == name })
}

// Get returns an option's value, or "".
func (s Section) Get(name string) string {
	for _, o := range s.Options {
		if o.Name == name && len(o.Values) > 0 {
			return o.Values[len(o.Values)-1]
		}
	}
	return ""
}

// Values returns what a list holds. A plain option counts as a list of words, as everywhere in OpenWrt.
func (s Section) Values(name string) []string {
	for _, o := range s.Options {
		if o.Name == name && o.List {
			return o.Values
		}
	}
	return strings.Fields(s.Get(name))
}

// merge adds an option as uci does when it reads a file: a later option replaces, a list grows, an option without a
// value is none.
func (s *Section) merge(list bool, name, value string) {
	i := slices.IndexFunc(s.Options, func(o Option) bool { return o.Name == name })
	switch {
	case !list && value == "":
	case i < 0:
		s.Options = append(s.Options, Option{Name: name, List: list, Values: []string{value}})
	case list:
		s.Options[i].List = true
		s.Options[i].Values = append(s.Options[i].Values, value)
	default:
		s.Options[i] = Option{Name: name, Values: []string{value}}
	}
}

// equal compares what uci would read, order of options included.
func (s Section) equal(o Section) bool {
	return s.Type == o.Type && s.Name == o.Name && slices.EqualFunc(s.Options, o.Options, func(a, b Option) bool {
		return a.Name == b.Name && a.List == b.List && slices.Equal(a.Values, b.Values)
	})
}
