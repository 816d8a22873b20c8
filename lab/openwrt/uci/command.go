// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"fmt"
	"io"
	"strings"
)

const usage = `Usage: uci [<options>] <command> [<arguments>]

Commands:
	export     [<config>]
	get        <config>.<section>[.<option>]
	show       [<config>[.<section>[.<option>]]]
	changes    [<config>]

Options:
	-c <path>  set the search path for config files (default: /etc/config)
	-n         name unnamed sections on export
	-P <path>  add a search path for config change files (there are none here)
	-q         quiet mode (don't print error messages)
	-S         disable strict mode

`

// command is one call of the program.
type command struct {
	out, errors io.Writer
	named       bool // unnamed sections are exported with their names
}

// Main is the program uci, for reading.
func Main(args []string, out, errors io.Writer) int {
	c := command{out: out, errors: errors}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch {
		case args[0] == "-q":
			c.errors = io.Discard
		case args[0] == "-n":
			c.named = true
		case args[0] == "-S":
		case args[0] == "-c" && len(args) > 1:
			dirs = []string{args[1]}
			args = args[1:]
		case args[0] == "-P" && len(args) > 1:
			args = args[1:]
		default:
			fmt.Fprint(errors, usage)
			return 1
		}
		args = args[1:]
	}
	return c.run(args)
}

func (c command) run(args []string) int {
	if len(args) == 1 && args[0] == "changes" {
		return 0
	}
	if len(args) != 2 {
		fmt.Fprint(c.errors, usage)
		return 255
	}
	name, rest, _ := strings.Cut(args[1], ".")
	p, err := Load(name)
	if err != nil {
		fmt.Fprintln(c.errors, err)
		return 1
	}
	switch args[0] {
	case "export":
		c.export(p)
	case "show":
		return c.show(p, rest)
	case "get":
		return c.get(p, rest)
	case "changes":
	default:
		fmt.Fprint(c.errors, usage)
		return 255
	}
	return 0
}

func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

func (c command) export(p *Package) {
	fmt.Fprintf(c.out, "package %s\n", p.Name)
	for _, s := range p.Sections {
		name := ""
		if c.named || !s.Anonymous {
			name = " " + quote(s.Name)
		}
		fmt.Fprintf(c.out, "\nconfig %s%s\n", s.Type, name)
		for _, o := range s.Options {
			kind := "option"
			if o.List {
				kind = "list"
			}
			for _, v := range o.Values {
				fmt.Fprintf(c.out, "\t%s %s %s\n", kind, o.Name, quote(v))
			}
		}
	}
	fmt.Fprintln(c.out)
}

// find returns the sections and the option that "section.option" means; no section for all of the package.
func (p *Package) find(path string) (sections []*Section, option string, ok bool) {
	if path == "" {
		return p.Sections, "", true
	}
	name, option, _ := strings.Cut(path, ".")
	for _, s := range p.Sections {
		if s.Name == name || p.ID(s) == name {
			return []*Section{s}, option, option == "" || s.Option(option) != nil
		}
	}
	return nil, "", false
}

func (c command) show(p *Package, path string) int {
	sections, option, ok := p.find(path)
	if !ok {
		fmt.Fprintln(c.errors, "uci: Entry not found")
		return 1
	}
	for _, s := range sections {
		id := p.Name + "." + p.ID(s)
		if option == "" {
			fmt.Fprintf(c.out, "%s=%s\n", id, s.Type)
		}
		for _, o := range s.Options {
			if option != "" && o.Name != option {
				continue
			}
			var values []string
			for _, v := range o.Values {
				values = append(values, quote(v))
			}
			fmt.Fprintf(c.out, "%s.%s=%s\n", id, o.Name, strings.Join(values, " "))
		}
	}
	return 0
}

func (c command) get(p *Package, path string) int {
	sections, option, ok := p.find(path)
	if !ok || path == "" {
		fmt.Fprintln(c.errors, "uci: Entry not found")
		return 1
	}
	value := sections[0].Type
	if option != "" {
		value = sections[0].Get(option)
	}
	fmt.Fprintln(c.out, value)
	return 0
}
