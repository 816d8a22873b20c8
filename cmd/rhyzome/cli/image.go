// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var images = kind[client.Image]{
	name: "image", scope: inProject,
	columns: []column[client.Image]{
		{"NAME", func(i client.Image) string { return i.Name }},
		{state, func(i client.Image) string { return string(i.Status.State) }},
		{"FORMAT", func(i client.Image) string { return i.Spec.Format }},
		{"SIZE", imageSize},
		{"SHA256", func(i client.Image) string { return i.Status.SHA256 }},
	},
	facts: metaFacts(func(i client.Image) client.Meta { return i.Meta },
		column[client.Image]{state, func(i client.Image) string { return string(i.Status.State) }},
		column[client.Image]{"FORMAT", func(i client.Image) string { return i.Spec.Format }},
		column[client.Image]{"SIZE", imageSize},
		column[client.Image]{"SHA256", func(i client.Image) string { return i.Status.SHA256 }},
	),
	nameOf: func(i client.Image) string { return i.Name },
	all: func(ctx context.Context, t target) iter.Seq2[client.Image, error] {
		return t.Images.All(ctx, t.project)
	},
	get: func(ctx context.Context, t target, name string) (client.Image, error) {
		return t.Images.Get(ctx, t.project, name)
	},
}

func imageSize(i client.Image) string {
	if i.Status.State != client.ImageReady {
		return ""
	}
	return size(i.Status.SizeBytes)
}

func (a *app) imageCommand() *cobra.Command {
	return family("image", "Bootable content",
		a.imageCreate(),
		a.imageUpload(),
		listCommand(a, images),
		getCommand(a, images, "debian"),
		deleteCommand(a, images, "Delete images that no instance stands on.", "debian",
			func(ctx context.Context, t target, name string) error { return t.Images.Delete(ctx, t.project, name) }),
	)
}

func (a *app) imageCreate() *cobra.Command {
	var n naming
	var spec client.ImageSpec
	var file string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an image", Args: exactly("NAME"),
		Long: "Create an image and upload its content from a file. Without a file it waits for: rhyzome image upload",
		Example: "  rhyzome image create debian --format qcow2 --file debian-12-generic-amd64.qcow2\n" +
			"  rhyzome image create clock --format kernel --file clock.elf --sha256 \"$(sha256sum clock.elf | cut -d' ' -f1)\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inProject)
			if err != nil {
				return err
			}
			content, err := openContent(file)
			if err != nil {
				return err
			}
			defer content.close()
			i, err := t.Images.Create(cmd.Context(), t.project, client.NewImage{
				Name: args[0], DisplayName: n.display, Labels: n.labels, Spec: spec,
			})
			if err == nil && file != "" {
				i, err = a.upload(cmd, t, i.ID, i.Name, content)
			}
			if err != nil {
				return err
			}
			return show(a, cmd, images.facts, i)
		},
	}
	cmd.Flags().StringVar(&spec.Format, "format", "", "`FORMAT`: qcow2, raw, kernel or initrd")
	cmd.Flags().StringVar(&spec.SHA256, "sha256", "", "`DIGEST`: content with another is refused")
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` with the content")
	must(cmd, "format")
	forField(cmd, "format", "/spec/format")
	forField(cmd, "sha256", "/spec/sha256")
	complete(cmd, "format", func(*cobra.Command) ([]string, error) {
		return []string{client.FormatQCOW2, client.FormatRaw, client.FormatKernel, client.FormatInitrd}, nil
	})
	n.addFlags(cmd)
	return cmd
}

func (a *app) imageUpload() *cobra.Command {
	return &cobra.Command{
		Use: "upload NAME FILE", Short: "Upload the content of an image that waits for it", Args: exactly("NAME", "FILE"),
		Example: "  rhyzome image upload debian debian-12-generic-amd64.qcow2",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inProject)
			if err != nil {
				return err
			}
			content, err := openContent(args[1])
			if err != nil {
				return err
			}
			defer content.close()
			i, err := a.upload(cmd, t, args[0], args[0], content)
			if err != nil {
				return err
			}
			return show(a, cmd, images.facts, i)
		},
	}
}
