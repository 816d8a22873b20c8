// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var networks = kind[client.Network]{
	name: "network", scope: inProject,
	columns: []column[client.Network]{
		{"NAME", func(n client.Network) string { return n.Name }},
		{state, func(n client.Network) string { return string(n.Status.State) }},
		{"SUBNETS", func(n client.Network) string { return strings.Join(cidrs(n.Status.Subnets), ", ") }},
		{"ENDPOINT", networkEndpoint},
		{"VLAN", func(n client.Network) string { return strconv.Itoa(n.Status.SegmentID) }},
		{"DOMAIN", func(n client.Network) string { return n.Status.Domain }},
	},
	facts: metaFacts(func(n client.Network) client.Meta { return n.Meta },
		column[client.Network]{state, func(n client.Network) string { return string(n.Status.State) }},
		column[client.Network]{"MESSAGE", func(n client.Network) string { return n.Status.Message }},
		column[client.Network]{"SUBNETS", func(n client.Network) string { return strings.Join(gateways(n.Status.Subnets), "\n") }},
		column[client.Network]{"DOMAIN", func(n client.Network) string { return n.Status.Domain }},
		column[client.Network]{"EGRESS", func(n client.Network) string { return n.Spec.Egress }},
		column[client.Network]{"FABRIC", func(n client.Network) string {
			return n.Status.Fabric + ", VLAN " + strconv.Itoa(n.Status.SegmentID)
		}},
		column[client.Network]{"ENDPOINT", networkEndpoint},
		column[client.Network]{"PUBLIC KEY", func(n client.Network) string {
			if n.Status.WireGuard == nil {
				return ""
			}
			return n.Status.WireGuard.PublicKey
		}},
		column[client.Network]{"ROUTER", func(n client.Network) string { return n.Status.Router }},
		column[client.Network]{"OPERATION", func(n client.Network) string { return n.Status.Operation }},
	),
	nameOf: func(n client.Network) string { return n.Name },
	all: func(ctx context.Context, t target) iter.Seq2[client.Network, error] {
		return t.Networks.All(ctx, t.project)
	},
	get: func(ctx context.Context, t target, name string) (client.Network, error) {
		return t.Networks.Get(ctx, t.project, name)
	},
}

func networkEndpoint(n client.Network) string {
	if n.Status.WireGuard == nil {
		return ""
	}
	return n.Status.WireGuard.Endpoint
}

func cidrs(subnets []client.Subnet) (all []string) {
	for _, s := range subnets {
		all = append(all, s.CIDR)
	}
	return all
}

func gateways(subnets []client.Subnet) (all []string) {
	for _, s := range subnets {
		all = append(all, s.CIDR+", gateway "+s.Gateway)
	}
	return all
}

func (a *app) networkCommand() *cobra.Command {
	return family("network", "Isolated segments, each with subnets, names and a WireGuard door",
		a.networkCreate(),
		listCommand(a, networks),
		getCommand(a, networks, "lan"),
		verbCommand(a, networks, verb{
			name: "delete", short: "Delete", example: "lan",
			long: "Delete networks that no instance and no peer is on.",
			do: func(ctx context.Context, t target, name string) (client.Operation, error) {
				return t.Networks.Delete(ctx, t.project, name)
			},
		}),
	)
}

func (a *app) networkCreate() *cobra.Command {
	var n naming
	var w waiting
	var spec client.NetworkSpec
	var door bool
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a network", Args: exactly("NAME"),
		Long: "Create a network. Its subnets, names and WireGuard endpoint are decided at once and shown; it works when the operation\n" +
			"has succeeded.",
		Example: "  rhyzome network create lan --wait\n  rhyzome network create lan --ipv4-cidr 10.20.0.0/24 --egress none",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inProject)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("wireguard") {
				spec.WireGuard = &door
			}
			v, op, err := t.Networks.Create(cmd.Context(), t.project, client.NewNetwork{
				Name: args[0], DisplayName: n.display, Labels: n.labels, Spec: spec,
			})
			if err != nil {
				return err
			}
			return made(a, cmd, t, networks, w, v.ID, v, op)
		},
	}
	f := cmd.Flags()
	f.StringVar(&spec.IPv4CIDR, "ipv4-cidr", "", "private `CIDR`, /16 to /29; a free /24 if left out")
	f.StringVar(&spec.IPv6CIDR, "ipv6-cidr", "", "a `CIDR` of /64; one of its own if left out")
	f.StringVar(&spec.Egress, "egress", "", "`EGRESS`: nat, or none to keep it from the outside (default nat)")
	f.StringVar(&spec.Fabric, "fabric", "", "`FABRIC`; may be left out if there is one")
	f.StringVar(&spec.Router, "router", "", "`ROUTER` to pin it to, by id or name")
	f.BoolVar(&door, "wireguard", true, "whether peers may be admitted")
	for flag, field := range map[string]string{
		"ipv4-cidr": "/spec/ipv4_cidr", "ipv6-cidr": "/spec/ipv6_cidr", "egress": "/spec/egress", "fabric": "/spec/fabric",
		"router": "/spec/router", "wireguard": "/spec/wireguard",
	} {
		forField(cmd, flag, field)
	}
	complete(cmd, "egress", func(*cobra.Command) ([]string, error) { return []string{client.EgressNAT, client.EgressNone}, nil })
	complete(cmd, "fabric", namesOf(a, fabrics))
	complete(cmd, "router", namesOf(a, routers))
	n.addFlags(cmd)
	w.addFlags(cmd)
	return cmd
}
