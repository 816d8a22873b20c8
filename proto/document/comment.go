// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// block of a comment: a paragraph or a table.
type block struct {
	text  string
	table [][]string // rows of cells, the head first
}

var columns = regexp.MustCompile(` {2,}`)

// blocks parses a comment: an empty line ends a paragraph, and what is indented by two spaces is a table whose columns are
// two spaces or more apart.
func blocks(comment string) []block {
	var all []block
	var text []string
	end := func() {
		if len(text) > 0 {
			all = append(all, block{text: strings.Join(text, " ")})
		}
		text = nil
	}
	inTable := false
	for line := range strings.Lines(comment) {
		line = strings.TrimRight(line, "\n ")
		switch {
		case strings.TrimSpace(line) == "":
			end()
			inTable = false
		case strings.HasPrefix(line, "  "):
			end()
			row := columns.Split(strings.TrimSpace(line), -1)
			if inTable {
				all[len(all)-1].table = append(all[len(all)-1].table, row)
			} else {
				all = append(all, block{table: [][]string{row}})
			}
			inTable = true
		default:
			text = append(text, strings.TrimSpace(line))
			inTable = false
		}
	}
	end()
	return all
}

// packageField is the number of the field package in a file's descriptor (google/protobuf/descriptor.proto).
const packageField = 2

// about returns the comment on a file's package.
func about(f *protogen.File) string {
	return f.Desc.SourceLocations().ByPath(protoreflect.SourcePath{packageField}).LeadingComments
}

// comments returns every comment of a file.
func comments(f *protogen.File) []string {
	all := []string{about(f)}
	for _, s := range f.Services {
		all = append(all, string(s.Comments.Leading))
		for _, m := range s.Methods {
			all = append(all, string(m.Comments.Leading))
		}
	}
	for _, e := range f.Enums {
		all = append(all, commentsOfEnum(e)...)
	}
	for _, m := range f.Messages {
		all = append(all, string(m.Comments.Leading))
		for _, field := range m.Fields {
			all = append(all, string(field.Comments.Leading))
		}
		for _, e := range m.Enums {
			all = append(all, commentsOfEnum(e)...)
		}
	}
	return all
}

func commentsOfEnum(e *protogen.Enum) []string {
	all := []string{string(e.Comments.Leading)}
	for _, v := range e.Values {
		all = append(all, string(v.Comments.Leading))
	}
	return all
}
