// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var hosts = kind[client.Host]{
	name: "host",
	columns: []column[client.Host]{
		{"NAME", func(h client.Host) string { return h.Name }},
		{state, func(h client.Host) string { return h.State }},
		{"CORDONED", func(h client.Host) string { return yes(h.Cordoned) }},
		{"VCPUS", func(h client.Host) string { return used(h, "vcpus", func(n int64) string { return fmt.Sprint(n) }) }},
		{"MEMORY", func(h client.Host) string { return used(h, "memory_bytes", size) }},
		{"FABRICS", func(h client.Host) string { return strings.Join(h.Fabrics, ", ") }},
	},
	facts: metaFacts(func(h client.Host) client.Meta { return h.Meta },
		column[client.Host]{state, func(h client.Host) string { return h.State }},
		column[client.Host]{"CORDONED", func(h client.Host) string { return yes(h.Cordoned) }},
		column[client.Host]{"VCPUS", func(h client.Host) string { return used(h, "vcpus", func(n int64) string { return fmt.Sprint(n) }) }},
		column[client.Host]{"MEMORY", func(h client.Host) string { return used(h, "memory_bytes", size) }},
		column[client.Host]{"DISK", func(h client.Host) string { return used(h, "disk_bytes", size) }},
		column[client.Host]{"FABRICS", func(h client.Host) string { return strings.Join(h.Fabrics, ", ") }},
		column[client.Host]{"ARCHITECTURE", func(h client.Host) string { return h.Architecture }},
		column[client.Host]{"SEEN", func(h client.Host) string { return moment(h.ObservedAt) }},
		column[client.Host]{"PROVIDER", func(h client.Host) string { return h.Provider }},
		column[client.Host]{"MACHINE ID", func(h client.Host) string { return h.BackendID }},
	),
	nameOf: func(h client.Host) string { return h.Name },
	all:    func(ctx context.Context, t target) iter.Seq2[client.Host, error] { return t.Hosts.All(ctx) },
	get:    func(ctx context.Context, t target, name string) (client.Host, error) { return t.Hosts.Get(ctx, name) },
}

// used says how much of a unit is promised, of how much.
func used(h client.Host, unit string, write func(int64) string) string {
	if _, counted := h.Capacity[unit]; !counted {
		return ""
	}
	return fmt.Sprintf("%s of %s", write(h.Allocated[unit]), write(h.Capacity[unit]))
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *app) hostCommand() *cobra.Command {
	return family("host", "Machines that run instances",
		listCommand(a, hosts),
		getCommand(a, hosts, "hv1"),
		a.cordon("cordon", "Keep new instances away from hosts", (*client.Hosts).Cordon),
		a.cordon("uncordon", "Let new instances come to hosts again", (*client.Hosts).Uncordon),
	)
}

func (a *app) cordon(name, short string, do func(*client.Hosts, context.Context, string) (client.Host, error)) *cobra.Command {
	return &cobra.Command{
		Use: name + " NAME...", Short: short, Args: some("NAME"),
		Long:    short + ". Instances that run there are left alone.",
		Example: "  rhyzome host " + name + " hv1", ValidArgsFunction: completeNames(0, namesOf(a, hosts)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			for _, host := range args {
				h, err := do(t.Hosts, cmd.Context(), host)
				if err != nil {
					return err
				}
				if err := show(a, cmd, hosts.facts, h); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

var routers = kind[client.Router]{
	name: "router",
	columns: []column[client.Router]{
		{"NAME", func(r client.Router) string { return r.Name }},
		{state, func(r client.Router) string { return r.State }},
		{"ENDPOINT", endpoint},
		{"FABRICS", func(r client.Router) string { return strings.Join(r.Fabrics, ", ") }},
	},
	facts: metaFacts(func(r client.Router) client.Meta { return r.Meta },
		column[client.Router]{state, func(r client.Router) string { return r.State }},
		column[client.Router]{"ENDPOINT", endpoint},
		column[client.Router]{"FABRICS", func(r client.Router) string { return strings.Join(r.Fabrics, ", ") }},
		column[client.Router]{"MTU", func(r client.Router) string { return fmt.Sprint(r.MTU) }},
		column[client.Router]{"SEEN", func(r client.Router) string { return moment(r.ObservedAt) }},
		column[client.Router]{"PROVIDER", func(r client.Router) string { return r.Provider }},
		column[client.Router]{"MACHINE ID", func(r client.Router) string { return r.BackendID }},
	),
	nameOf: func(r client.Router) string { return r.Name },
	all:    func(ctx context.Context, t target) iter.Seq2[client.Router, error] { return t.Routers.All(ctx) },
	get: func(ctx context.Context, t target, name string) (client.Router, error) {
		return t.Routers.Get(ctx, name)
	},
}

func endpoint(r client.Router) string {
	if r.Endpoint == nil {
		return "none"
	}
	first, last := r.Endpoint.PortMin, r.Endpoint.PortMax
	if out := r.Endpoint.OutsidePortMin; out != 0 {
		first, last = out, out+last-first
	}
	return fmt.Sprintf("%s:%d-%d", r.Endpoint.Host, first, last)
}

func (a *app) routerCommand() *cobra.Command {
	return family("router", "Machines that carry networks", listCommand(a, routers), getCommand(a, routers, "gw"))
}
