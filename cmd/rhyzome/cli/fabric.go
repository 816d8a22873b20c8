// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var fabrics = kind[client.Fabric]{
	name: "fabric",
	columns: []column[client.Fabric]{
		{"NAME", func(f client.Fabric) string { return f.Name }},
		{"KIND", func(f client.Fabric) string { return f.Spec.Kind }},
		{"SEGMENTS", segments},
	},
	facts: metaFacts(func(f client.Fabric) client.Meta { return f.Meta },
		column[client.Fabric]{"KIND", func(f client.Fabric) string { return f.Spec.Kind }},
		column[client.Fabric]{"SEGMENTS", segments},
	),
	nameOf: func(f client.Fabric) string { return f.Name },
	all:    func(ctx context.Context, t target) iter.Seq2[client.Fabric, error] { return t.Fabrics.All(ctx) },
	get: func(ctx context.Context, t target, name string) (client.Fabric, error) {
		return t.Fabrics.Get(ctx, name)
	},
}

func segments(f client.Fabric) string {
	return fmt.Sprintf("%d-%d", f.Spec.SegmentMin, f.Spec.SegmentMax)
}

func (a *app) fabricCommand() *cobra.Command {
	return family("fabric", "L2 domains that hosts and routers share",
		a.fabricCreate(),
		listCommand(a, fabrics),
		getCommand(a, fabrics, "lab"),
		deleteCommand(a, fabrics, "Delete fabrics that no network uses.", "lab",
			func(ctx context.Context, t target, name string) error { return t.Fabrics.Delete(ctx, name) }),
	)
}

func (a *app) fabricCreate() *cobra.Command {
	var n naming
	var spec client.FabricSpec
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a fabric", Args: exactly("NAME"),
		Long:    "Create a fabric: a range of VLANs that a set of hosts and routers shares, and names in the configuration of their providers.",
		Example: "  rhyzome fabric create lab --first 100 --last 199",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			f, err := t.Fabrics.Create(cmd.Context(), client.NewFabric{
				Name: args[0], DisplayName: n.display, Labels: n.labels, Spec: spec,
			})
			if err != nil {
				return err
			}
			return show(a, cmd, fabrics.facts, f)
		},
	}
	cmd.Flags().StringVar(&spec.Kind, "kind", client.FabricVLAN, "`KIND` of fabric")
	cmd.Flags().IntVar(&spec.SegmentMin, "first", 0, "first VLAN `ID`")
	cmd.Flags().IntVar(&spec.SegmentMax, "last", 0, "last VLAN `ID`")
	must(cmd, "first", "last")
	forField(cmd, "kind", "/spec/kind")
	forField(cmd, "first", "/spec/segment_min")
	forField(cmd, "last", "/spec/segment_max")
	n.addFlags(cmd)
	return cmd
}
