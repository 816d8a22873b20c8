// SPDX-License-Identifier: Apache-2.0

// Command generate writes what readers of the API need and the code knows: openapi/openapi.json and openapi.yaml, which
// core/rest describes, and docs/errors.md, of the reasons of sdk/fault. It is told the root of the repository.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"github.com/rhyzome/rhyzome/core/rest"
)

//go:generate go run . ../..

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate ROOT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := render()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// render returns the files by their paths in the repository.
func render() (map[string][]byte, error) {
	document, err := rest.Document()
	if err != nil {
		return nil, err
	}
	var tree yaml.Node // keeps the order of keys, and numbers as they are
	if err := yaml.Unmarshal(document, &tree); err != nil {
		return nil, err
	}
	plain(&tree)
	var text bytes.Buffer
	text.WriteString("# Generated from core/rest by openapi/generate; do not edit.\n")
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	if err := e.Encode(&tree); err != nil {
		return nil, err
	}
	return map[string][]byte{
		"openapi/openapi.json": document, "openapi/openapi.yaml": text.Bytes(), "docs/errors.md": errorsPage(),
	}, nil
}

// plain drops JSON's quotes and braces where YAML does without.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plain(child)
	}
}
