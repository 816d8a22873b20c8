// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
)

const head = `<!-- Generated from proto/rhyzome/provider/v1 by proto/document; do not edit. -->

# The contract

What core and provider say to each other, word for word as in [proto/rhyzome/provider/v1](../../proto/rhyzome/provider/v1).
The [guide](README.md) leads to a first provider; [errors.md](../errors.md) explains the reasons. The
[last part](#what-proves-it) says which case of the conformance suite proves which sentence.

`

// page is the contract as Markdown.
func page(files []*protogen.File, proofs []proof) string {
	var out strings.Builder
	out.WriteString(head)
	for _, f := range files {
		out.WriteString(markdown(about(f)))
		for _, s := range f.Services {
			service(&out, s)
		}
		for _, m := range f.Messages {
			message(&out, m)
		}
		for _, e := range f.Enums {
			enum(&out, e)
		}
	}
	out.WriteString("## What proves it\n\n`rhyzome-conformance explain CASE` says more.\n\n| Sentence | Cases |\n|---|---|\n")
	for _, p := range proofs {
		var ids []string
		for _, c := range p.cases {
			ids = append(ids, c.ID)
		}
		fmt.Fprintf(&out, "| %s | %s |\n", p.sentence, strings.Join(ids, ", "))
	}
	return out.String()
}

func service(out *strings.Builder, s *protogen.Service) {
	fmt.Fprintf(out, "## %s\n\n%s", s.Desc.Name(), markdown(string(s.Comments.Leading)))
	for _, m := range s.Methods {
		fmt.Fprintf(out, "### %s\n\n`rpc %s(%s%s) returns (%s%s)`\n\n%s", m.Desc.Name(), m.Desc.Name(),
			stream(m.Desc.IsStreamingClient()), m.Input.Desc.Name(), stream(m.Desc.IsStreamingServer()), m.Output.Desc.Name(),
			markdown(string(m.Comments.Leading)))
	}
}

func stream(is bool) string {
	if is {
		return "stream "
	}
	return ""
}

// message writes a message that has something in it.
func message(out *strings.Builder, m *protogen.Message) {
	if len(m.Fields) == 0 {
		return
	}
	fmt.Fprintf(out, "#### %s\n\n%s", m.Desc.Name(), markdown(string(m.Comments.Leading)))
	out.WriteString("| Field | Type | |\n|---|---|---|\n")
	for _, f := range m.Fields {
		fmt.Fprintf(out, "| %s = %d | %s | %s |\n", f.Desc.Name(), f.Desc.Number(), typeOf(f), line(string(f.Comments.Leading)))
	}
	out.WriteString("\n")
	for _, e := range m.Enums {
		enum(out, e)
	}
}

func typeOf(f *protogen.Field) string {
	if f.Desc.IsMap() {
		return fmt.Sprintf("map of %s", scalar(f.Message.Fields[1]))
	}
	if f.Desc.IsList() {
		return "repeated " + scalar(f)
	}
	return scalar(f)
}

func scalar(f *protogen.Field) string {
	switch {
	case f.Message != nil:
		return string(f.Message.Desc.Name())
	case f.Enum != nil:
		return string(f.Enum.Desc.Name())
	}
	return f.Desc.Kind().String()
}

func enum(out *strings.Builder, e *protogen.Enum) {
	fmt.Fprintf(out, "#### %s\n\n%s| Value | |\n|---|---|\n", e.Desc.Name(), markdown(string(e.Comments.Leading)))
	for _, v := range e.Values {
		fmt.Fprintf(out, "| %s = %d | %s |\n", v.Desc.Name(), v.Desc.Number(), line(string(v.Comments.Leading)))
	}
	out.WriteString("\n")
}

// markdown renders a comment, with an empty line behind it.
func markdown(comment string) string {
	var out strings.Builder
	for _, b := range blocks(comment) {
		if b.table == nil {
			out.WriteString(escape(b.text) + "\n\n")
			continue
		}
		for i, row := range b.table {
			out.WriteString("| " + escape(strings.Join(row, " | ")) + " |\n")
			if i == 0 {
				out.WriteString(strings.Repeat("|---", len(row)) + "|\n")
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

// line renders a comment as one line, for a cell of a table.
func line(comment string) string {
	var all []string
	for _, b := range blocks(comment) {
		all = append(all, b.text)
	}
	return escape(strings.Join(all, " "))
}

// escape keeps angle brackets from being taken for HTML.
func escape(text string) string { return strings.ReplaceAll(text, "<", "&lt;") }

func base(f *protogen.File) string { return path.Base(f.Desc.Path()) }
