// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"fmt"
	"strings"
)

// SyntaxError says where a file holds what uci itself would refuse, or what cannot be cut safely.
type SyntaxError struct {
	File    string
	Line    int
	Problem string
}

// Error names file, line and problem.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s, line %d: %s", e.File, e.Line, e.Problem)
}

// statement is one command of a file. Several may stand on one line, and one may span several.
type statement struct {
	keyword string // package, config, option or list
	args    []string
	line    int  // where it begins, from 1
	start   int  // offset of the first byte of the line that it begins on
	end     int  // offset behind the last byte of the line that it ends on
	shared  bool // another statement stands on the same line
}

var keywords = map[string]string{
	"p": "package", "c": "config", "o": "option", "l": "list",
	"package": "package", "config": "config", "option": "option", "list": "list",
}

// scanner reads a text as libuci does (file.c: uci_parse_line, next_arg, parse_str).
type scanner struct {
	file string
	text string
	pos  int
	line int
}

// scan returns the statements of a text.
func scan(file, text string) ([]statement, error) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, &SyntaxError{File: file, Line: 1 + strings.Count(text[:i], "\n"), Problem: "zero byte"}
	}
	s := &scanner{file: file, text: text, line: 1}
	var all []statement
	for s.pos < len(s.text) {
		found, err := s.logicalLine()
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// logicalLine reads one line, with the lines that quotes and backslashes join to it.
func (s *scanner) logicalLine() ([]statement, error) {
	start := s.pos
	var found []statement
	for {
		s.skipBlanks()
		if s.atLineEnd() {
			break
		}
		st, err := s.statement(start)
		if err != nil {
			return nil, err
		}
		found = append(found, st)
	}
	s.skipComment()
	if s.pos < len(s.text) {
		s.pos++ // the newline
		s.line++
	}
	for i := range found {
		found[i].end, found[i].shared = s.pos, len(found) > 1
	}
	return found, nil
}

// statement reads a keyword and its arguments, up to the line's end or a semicolon.
func (s *scanner) statement(start int) (statement, error) {
	st := statement{line: s.line, start: start}
	word := s.keyword()
	st.keyword = keywords[word]
	if st.keyword == "" {
		return st, s.errorf("expected config, option or list, found %q", word)
	}
	for {
		s.skipBlanks()
		if s.atLineEnd() {
			break
		}
		if s.text[s.pos] == ';' {
			s.pos++
			break
		}
		arg, err := s.argument()
		if err != nil {
			return st, err
		}
		st.args = append(st.args, arg)
	}
	return st, s.checkArguments(st)
}

func (s *scanner) checkArguments(st statement) error {
	limits := map[string][2]int{"package": {1, 1}, "config": {1, 2}, "option": {1, 2}, "list": {1, 2}}
	limit := limits[st.keyword]
	switch {
	case len(st.args) < limit[0] || st.args[0] == "":
		return s.errorf("%s without a name", st.keyword)
	case len(st.args) > limit[1]:
		return s.errorf("too many words after %s", st.keyword)
	}
	return nil
}

// keyword reads up to a space, tab or the line's end: quotes and comments mean nothing here.
func (s *scanner) keyword() string {
	start := s.pos
	for s.pos < len(s.text) && !strings.ContainsRune(" \t\n", rune(s.text[s.pos])) {
		s.pos++
	}
	return s.text[start:s.pos]
}

// argument reads one word: quoted and unquoted pieces without white space between them. A semicolon that touches a
// word without quotes makes libuci drop the rest of the line.
func (s *scanner) argument() (string, error) {
	start := s.pos
	var b strings.Builder
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case isSpace(c) || c == '#':
			return b.String(), nil
		case c == ';':
			if b.String() == s.text[start:s.pos] {
				s.skipComment()
			}
			return b.String(), nil
		case c == '\'' || c == '"':
			if err := s.quoted(c, &b); err != nil {
				return "", err
			}
		case c == '\\':
			if err := s.escaped(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
			s.pos++
		}
	}
	return b.String(), nil
}

// quoted reads a quoted piece; it may span lines. Only double quotes know the backslash.
func (s *scanner) quoted(quote byte, b *strings.Builder) error {
	opened := s.line
	for s.pos++; s.pos < len(s.text); {
		switch c := s.text[s.pos]; {
		case c == quote:
			s.pos++
			return nil
		case c == '\\' && quote == '"':
			if err := s.escaped(b); err != nil {
				return err
			}
		default:
			if c == '\n' {
				s.line++
			}
			b.WriteByte(c)
			s.pos++
		}
	}
	return &SyntaxError{File: s.file, Line: opened, Problem: "the quote is never closed"}
}

// escaped reads a backslash: before a newline it joins the next line, else the next character stands for itself.
func (s *scanner) escaped(b *strings.Builder) error {
	s.pos++
	rest := s.text[s.pos:]
	for _, end := range []string{"\n", "\r\n"} {
		if strings.HasPrefix(rest, end) {
			s.pos += len(end)
			s.line++
			rest = rest[len(end):]
			if rest == "" {
				return s.errorf("the last line is continued, and nothing follows")
			}
			return nil
		}
	}
	if rest == "" {
		return s.errorf("a backslash at the end of the file")
	}
	b.WriteByte(rest[0])
	s.pos++
	return nil
}

func (s *scanner) skipBlanks() {
	for s.pos < len(s.text) && s.text[s.pos] != '\n' && isSpace(s.text[s.pos]) {
		s.pos++
	}
}

// atLineEnd is true before a newline, a comment and the end of the text.
func (s *scanner) atLineEnd() bool {
	return s.pos >= len(s.text) || s.text[s.pos] == '\n' || s.text[s.pos] == '#'
}

func (s *scanner) skipComment() {
	for s.pos < len(s.text) && s.text[s.pos] != '\n' {
		s.pos++
	}
}

func (s *scanner) errorf(format string, args ...any) error {
	return &SyntaxError{File: s.file, Line: s.line, Problem: fmt.Sprintf(format, args...)}
}

// isSpace is C's isspace in the C locale.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
