// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"fmt"
	"regexp"
	"strings"
)

// ParseError says where a file is not understood.
type ParseError struct {
	Package string
	Line    int
	Problem string
}

// Error speaks as libuci does.
func (e *ParseError) Error() string {
	return fmt.Sprintf("uci: Parse error (%s) at line %d, package %s", e.Problem, e.Line, e.Package)
}

var (
	goodName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	goodType = regexp.MustCompile(`^[\x21-\x7e]+$`)
)

// parser reads statements: a line's words, until a newline or ';' outside quotes.
type parser struct {
	text string
	pos  int
	line int
	pkg  *Package
	in   *Section // that options belong to
}

// Parse reads the text of a package. With an error comes what was read before it.
func Parse(name, text string) (*Package, error) {
	p := &parser{text: text, line: 1, pkg: &Package{Name: name}}
	for p.pos < len(p.text) {
		line := p.line
		words, err := p.statement()
		if err == "" && len(words) > 0 {
			err = p.apply(words)
		}
		if err != "" {
			return p.pkg, &ParseError{name, line, err}
		}
	}
	return p.pkg, nil
}

// statement returns the words of the next statement and moves behind it.
func (p *parser) statement() (words []string, problem string) {
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; c {
		case '\n':
			p.pos++
			p.line++
			return words, ""
		case ';':
			p.pos++
			return words, ""
		case ' ', '\t', '\r':
			p.pos++
		case '#':
			p.skipLine()
		default:
			word, problem := p.word()
			if problem != "" {
				return nil, problem
			}
			words = append(words, word)
		}
	}
	return words, ""
}

func (p *parser) skipLine() {
	if end := strings.IndexByte(p.text[p.pos:], '\n'); end >= 0 {
		p.pos += end
		return
	}
	p.pos = len(p.text)
}

// word reads a word of plain, quoted and double-quoted parts.
func (p *parser) word() (word, problem string) {
	var b strings.Builder
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch c {
		case ' ', '\t', '\r', '\n', ';':
			return b.String(), ""
		case '\'', '"':
			p.pos++
			if !p.quoted(&b, c) {
				return "", "unterminated " + string(c)
			}
		case '\\':
			p.escaped(&b)
		default:
			b.WriteByte(c)
			p.pos++
		}
	}
	return b.String(), ""
}

// quoted reads up to the closing quote, which it skips; it reports whether there was one.
func (p *parser) quoted(b *strings.Builder, quote byte) bool {
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == quote:
			p.pos++
			return true
		case c == '\\' && quote == '"':
			p.escaped(b)
			continue
		case c == '\n':
			p.line++
		}
		b.WriteByte(c)
		p.pos++
	}
	return false
}

// escaped takes the character behind a backslash as it is; an escaped newline is nothing.
func (p *parser) escaped(b *strings.Builder) {
	p.pos++
	if p.pos == len(p.text) {
		return
	}
	if p.text[p.pos] == '\n' {
		p.line++
	} else {
		b.WriteByte(p.text[p.pos])
	}
	p.pos++
}

// apply adds what a statement says to the package.
func (p *parser) apply(words []string) (problem string) {
	switch words[0] {
	case "package", "p":
		return ""
	case "config", "c":
		return p.section(words[1:])
	case "option", "o":
		return p.option(words[1:], false)
	case "list", "l":
		return p.option(words[1:], true)
	}
	return "invalid command"
}

func (p *parser) section(words []string) (problem string) {
	if len(words) < 1 || len(words) > 2 || !goodType.MatchString(words[0]) {
		return "invalid character in field"
	}
	section := &Section{Type: words[0]}
	if len(words) == 2 && words[1] != "" {
		if !goodName.MatchString(words[1]) {
			return "invalid character in name field"
		}
		if old := p.pkg.Section(words[1]); old != nil {
			if old.Type != words[0] {
				return "section of different type overwrites prior section with same name"
			}
			p.in = old // what follows is merged into it
			return ""
		}
		section.Name = words[1]
	} else {
		section.Anonymous = true
		section.Name = fmt.Sprintf("cfg%02x%04x", len(p.pkg.Sections)+1, hash(words[0])%(1<<16))
	}
	p.pkg.Sections = append(p.pkg.Sections, section)
	p.in = section
	return ""
}

func (p *parser) option(words []string, list bool) (problem string) {
	if p.in == nil {
		return "option/list command found before the first section"
	}
	if len(words) == 0 || !goodName.MatchString(words[0]) {
		return "invalid character in name field"
	}
	if len(words) > 2 {
		return "too many arguments"
	}
	if len(words) == 1 || words[1] == "" && !list {
		return "" // an option without a value is not set
	}
	o := p.in.Option(words[0])
	switch {
	case o == nil:
		p.in.Options = append(p.in.Options, &Option{Name: words[0], List: list, Values: words[1:2]})
	case list:
		o.List = true
		o.Values = append(o.Values[:len(o.Values):len(o.Values)], words[1])
	default:
		o.List = false
		o.Values = words[1:2]
	}
	return ""
}

// hash is libuci's, for the names of anonymous sections.
func hash(s string) uint32 {
	h := uint32(5381)
	for i := range len(s) {
		h = h<<5 + h + uint32(s[i])
	}
	return h & 0x7fffffff
}
