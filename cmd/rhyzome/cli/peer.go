// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var peers = kind[client.Peer]{
	name: "peer", scope: inNetwork,
	columns: []column[client.Peer]{
		{"NAME", func(p client.Peer) string { return p.Name }},
		{state, func(p client.Peer) string { return string(p.Status.State) }},
		{"ADDRESSES", func(p client.Peer) string { return strings.Join(p.Status.Addresses, ", ") }},
		{"PUBLIC KEY", func(p client.Peer) string { return p.Spec.PublicKey }},
	},
	facts: metaFacts(func(p client.Peer) client.Meta { return p.Meta },
		column[client.Peer]{state, func(p client.Peer) string { return string(p.Status.State) }},
		column[client.Peer]{"MESSAGE", func(p client.Peer) string { return p.Status.Message }},
		column[client.Peer]{"ADDRESSES", func(p client.Peer) string { return strings.Join(p.Status.Addresses, "\n") }},
		column[client.Peer]{"REACHES", func(p client.Peer) string { return strings.Join(p.Status.AllowedIPs, "\n") }},
		column[client.Peer]{"DNS", func(p client.Peer) string { return strings.Join(p.Status.DNS, ", ") }},
		column[client.Peer]{"PUBLIC KEY", func(p client.Peer) string { return p.Spec.PublicKey }},
		column[client.Peer]{"OPERATION", func(p client.Peer) string { return p.Status.Operation }},
	),
	nameOf: func(p client.Peer) string { return p.Name },
	all: func(ctx context.Context, t target) iter.Seq2[client.Peer, error] {
		return t.Peers.All(ctx, t.project, t.network)
	},
	get: func(ctx context.Context, t target, name string) (client.Peer, error) {
		return t.Peers.Get(ctx, t.project, t.network, name)
	},
}

func (a *app) peerCommand() *cobra.Command {
	return family("peer", "Remote WireGuard endpoints that are admitted to a network",
		a.peerCreate(),
		listCommand(a, peers),
		getCommand(a, peers, "laptop"),
		a.peerConfig(),
		verbCommand(a, peers, verb{
			name: "delete", short: "Shut peers out", example: "laptop",
			do: func(ctx context.Context, t target, name string) (client.Operation, error) {
				return t.Peers.Delete(ctx, t.project, t.network, name)
			},
		}),
	)
}

func (a *app) peerCreate() *cobra.Command {
	var n naming
	var w waiting
	var key string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Admit a peer to a network", Args: exactly("NAME"),
		Long: "Admit a peer to a network. Make its key where it will be used: the private key never leaves that machine.",
		Example: "  wg genkey | tee laptop.key | wg pubkey | rhyzome peer create laptop --network lan --public-key - --wait\n" +
			"  rhyzome peer config laptop --network lan > laptop.conf",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inNetwork)
			if err != nil {
				return err
			}
			if key, err = argument(cmd, key); err != nil {
				return err
			}
			v, op, err := t.Peers.Create(cmd.Context(), t.project, t.network, client.NewPeer{
				Name: args[0], DisplayName: n.display, Labels: n.labels, Spec: client.PeerSpec{PublicKey: key},
			})
			if err != nil {
				return err
			}
			return made(a, cmd, t, peers, w, v.ID, v, op)
		},
	}
	cmd.Flags().StringVar(&key, "public-key", "", "public `KEY` as wg pubkey prints it; - to read it from stdin")
	must(cmd, "public-key")
	forField(cmd, "public-key", "/spec/public_key")
	n.addFlags(cmd)
	w.addFlags(cmd)
	a.addScope(cmd, inNetwork)
	return cmd
}

// argument returns a value, or what stdin holds for "-".
func argument(cmd *cobra.Command, value string) (string, error) {
	if value != "-" {
		return value, nil
	}
	raw, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<20))
	if err != nil {
		return "", usage("stdin cannot be read: %s", err.Error())
	}
	return strings.TrimSpace(string(raw)), nil
}

func (a *app) peerConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config NAME", Short: "Print a peer's wg-quick file", Args: exactly("NAME"),
		Long:              "Print a peer's wg-quick file. A placeholder stands where its private key belongs.",
		Example:           "  rhyzome peer config laptop --network lan > laptop.conf",
		ValidArgsFunction: completeNames(1, namesOf(a, peers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inNetwork)
			if err != nil {
				return err
			}
			text, err := t.Peers.Config(cmd.Context(), t.project, t.network, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	a.addScope(cmd, inNetwork)
	return cmd
}
