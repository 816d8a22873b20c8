// SPDX-License-Identifier: Apache-2.0

// Command document is the protoc plugin that writes docs/plugin-guide/contract.md: the comments of the contract as a
// page, and which case of the conformance suite proves which sentence. It fails if a sentence with MUST or SHOULD has no
// case, or a case has no such sentence; buf runs it from buf.gen.yaml.
package main

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/compiler/protogen"

	"github.com/rhyzome/rhyzome/conformance"
)

// order of the files on the page; others follow by name.
var order = []string{
	"provider.proto", "resource.proto", "instance.proto", "image.proto", "volume.proto", "snapshot.proto", "resize.proto", "migrate.proto", "metrics.proto", "console.proto", "exec.proto", "network.proto", "peer.proto",
	"forward.proto", "verify.proto", "core.proto",
}

func main() {
	protogen.Options{}.Run(func(plugin *protogen.Plugin) error {
		var files []*protogen.File
		for _, f := range plugin.Files {
			if f.Generate {
				files = append(files, f)
			}
		}
		slices.SortFunc(files, func(a, b *protogen.File) int {
			return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(base(a), base(b)))
		})
		proofs, err := prove(sentences(files), conformance.Cases())
		if err != nil {
			return err
		}
		_, err = plugin.NewGeneratedFile("contract.md", "").Write([]byte(page(files, proofs)))
		return err
	})
}

func place(f *protogen.File) int {
	if at := slices.Index(order, base(f)); at >= 0 {
		return at
	}
	return len(order)
}
