// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var providers = kind[client.Provider]{
	name: "provider",
	columns: []column[client.Provider]{
		{"NAME", func(p client.Provider) string { return p.Name }},
		{state, func(p client.Provider) string { return string(p.Status.State) }},
		{"PLUGIN", plugin},
		{"SERVICES", func(p client.Provider) string { return strings.Join(p.Status.Services, ", ") }},
		{"WAY", func(p client.Provider) string { return p.Status.Way }},
		{"SINCE", func(p client.Provider) string { return moment(p.Status.AttachedAt) }},
		{"ADDRESS", func(p client.Provider) string { return p.Status.Address }},
		{"PLACES", func(p client.Provider) string {
			return strings.Join(slices.Concat(p.Status.Hosts, p.Status.Routers), ", ")
		}},
		{"ATTENTION", attention},
	},
	facts: metaFacts(func(p client.Provider) client.Meta { return p.Meta },
		column[client.Provider]{state, func(p client.Provider) string { return string(p.Status.State) }},
		column[client.Provider]{"MESSAGE", func(p client.Provider) string { return p.Status.Message }},
		column[client.Provider]{"PLUGIN", func(p client.Provider) string {
			if p.Status.Behind != "" {
				return plugin(p) + "; behind " + p.Status.Behind
			}
			return plugin(p)
		}},
		column[client.Provider]{"PROGRAM", programOf},
		column[client.Provider]{"REPORT", found},
		column[client.Provider]{"SERVICES", func(p client.Provider) string { return strings.Join(p.Status.Services, ", ") }},
		column[client.Provider]{"CAPABILITIES", func(p client.Provider) string { return strings.Join(p.Status.Capabilities, ", ") }},
		column[client.Provider]{"HOSTS", func(p client.Provider) string { return strings.Join(p.Status.Hosts, ", ") }},
		column[client.Provider]{"ROUTERS", func(p client.Provider) string { return strings.Join(p.Status.Routers, ", ") }},
		column[client.Provider]{"UPGRADE", upgrade},
		column[client.Provider]{"CONFIGURATION", configuration},
		column[client.Provider]{"FAULTS IN IT", configFaults},
		column[client.Provider]{"LAST ERROR", lastError},
		column[client.Provider]{"WAY", func(p client.Provider) string { return p.Status.Way }},
		column[client.Provider]{"BINARY", binary},
		column[client.Provider]{"ADDRESS", func(p client.Provider) string { return p.Status.Address }},
		column[client.Provider]{"DIALLED AT", func(p client.Provider) string { return p.DialAddress }},
		column[client.Provider]{"ATTACHED", func(p client.Provider) string { return moment(p.Status.AttachedAt) }},
		column[client.Provider]{"LEASE", lease},
		column[client.Provider]{"SEEN", func(p client.Provider) string { return moment(p.Status.SeenAt) }},
		column[client.Provider]{"CERTIFICATE", func(p client.Provider) string {
			if p.Status.CertExpires == nil {
				return ""
			}
			return "until " + moment(p.Status.CertExpires)
		}},
		column[client.Provider]{"KEY", func(p client.Provider) string { return p.Status.KeyFingerprint }},
		column[client.Provider]{"JOINED", func(p client.Provider) string { return moment(p.Status.JoinedAt) }},
		column[client.Provider]{"ADMITTED FOR", func(p client.Provider) string { return strings.Join(p.Status.AdmittedServices, ", ") }},
		column[client.Provider]{"MACHINE ID", func(p client.Provider) string { return p.Status.MachineID }},
		column[client.Provider]{"REPLACED", func(p client.Provider) string { return strings.Join(p.Status.ReplacedMachines, ", ") }},
		column[client.Provider]{"DRAIN", drain},
		column[client.Provider]{"WAITING", waitingMachine},
		column[client.Provider]{"CONTESTED", contest},
	),
	nameOf: func(p client.Provider) string { return p.Name },
	all:    func(ctx context.Context, t target) iter.Seq2[client.Provider, error] { return t.Providers.All(ctx) },
	get: func(ctx context.Context, t target, name string) (client.Provider, error) {
		return t.Providers.Get(ctx, name)
	},
}

func plugin(p client.Provider) string {
	return strings.TrimSpace(p.Status.Plugin + " " + p.Status.Version)
}

// lease is which core has the provider.
func lease(p client.Provider) string {
	if p.Status.Lease == nil {
		return ""
	}
	return p.Status.Lease.Core + " since " + moment(&p.Status.Lease.Since)
}

func lastError(p client.Provider) string {
	if p.Status.LastError == nil {
		return ""
	}
	return moment(&p.Status.LastError.At) + ": " + p.Status.LastError.Message
}

// upgrade tells of the last one.
func upgrade(p client.Provider) string {
	if p.Local == nil || p.Local.Upgrade == nil {
		return ""
	}
	u := p.Local.Upgrade
	text := fmt.Sprintf("%s to %s, SHA-256 %s, since %s: %s", u.FromVersion, u.ToVersion, u.SHA256, moment(&u.At), strings.ReplaceAll(string(u.State), "_", " "))
	if u.Message != "" {
		text += ", as " + u.Message
	}
	return text
}

// configuration is that of a provider that the core runs, as YAML.
func configuration(p client.Provider) string {
	if p.Local == nil || len(p.Local.Config) == 0 {
		return ""
	}
	text := &strings.Builder{}
	if err := (&app{form: formYAML}).encode(text, p.Local.Config); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(text.String())
}

func configFaults(p client.Provider) string {
	var all []string
	for _, f := range p.Status.ConfigFaults {
		all = append(all, f.Field+" "+f.Description)
	}
	return strings.Join(all, "\n")
}

// binary is what the core is to run.
func binary(p client.Provider) string {
	if p.Local == nil {
		return ""
	}
	return fmt.Sprintf("copied from %s, SHA-256 %s, as user %d", p.Local.Binary, p.Local.SHA256, p.Local.UID)
}

// attention says what an operator should look at.
func attention(p client.Provider) string {
	var all []string
	if len(p.Status.ConfigFaults) > 0 {
		all = append(all, "faults in its configuration")
	}
	if p.Local != nil && p.Local.Upgrade != nil && p.Local.Upgrade.State == client.UpgradeRolledBack {
		all = append(all, "upgrade rolled back")
	}
	if p.Status.Behind != "" {
		all = append(all, "behind "+p.Status.Behind)
	}
	if p.Status.Approval != nil {
		all = append(all, "waits for approval")
	}
	if p.Status.Contested != nil {
		all = append(all, "contested")
	}
	return strings.Join(all, ", ")
}

func waitingMachine(p client.Provider) string {
	w := p.Status.Approval
	if w == nil {
		return ""
	}
	return fmt.Sprintf("machine %s (%s, %s) since %s, with the key\n%s\nif its join shows the same: rhyzome provider approve %s\nif not: rhyzome provider token create --name %s, or rhyzome provider delete %s",
		w.MachineID, w.Plugin, w.Address, moment(&w.AskedAt), w.KeyFingerprint, p.Name, p.Name, p.Name)
}

func contest(p client.Provider) string {
	c := p.Status.Contested
	if c == nil {
		return ""
	}
	text := fmt.Sprintf("%s, %s: machine %s, %s\nif the provider as it is is right: rhyzome provider approve %s",
		moment(&c.At), c.Message, c.MachineID, c.Address, p.Name)
	if c.Cloned {
		text += "\nif the other machine is: rhyzome provider replace " + p.Name + " --machine " + c.MachineID
	}
	return text
}

func (a *app) providerCommand() *cobra.Command {
	return family("provider", "Attached plugins, which own hosts and routers",
		listCommand(a, providers),
		getCommand(a, providers, "hv1"),
		a.providerAdd(),
		a.providerConfigure(),
		a.providerUpgrade(),
		family("token", "Tokens that let providers join", a.tokenCreate()),
		a.providerApprove(),
		a.providerReplace(),
		a.providerReport(),
		a.providerDial(),
		a.providerDrain(),
		a.providerUndrain(),
		a.providerDelete(),
	)
}

// providerDelete has the word that operators look for where a machine was stolen, too.
func (a *app) providerDelete() *cobra.Command {
	cmd := deleteCommand(a, providers, "Revoke providers: their connections are closed and their certificates refused from now on.", "hv1",
		func(ctx context.Context, t target, name string) error { return t.Providers.Delete(ctx, name) })
	cmd.Aliases = append(cmd.Aliases, "revoke")
	return cmd
}

func (a *app) tokenCreate() *cobra.Command {
	var token client.NewToken
	cmd := &cobra.Command{
		Use: "create", Short: "Create a provider and the token that admits it", Args: cobra.NoArgs,
		Long: "Create a provider and the token that admits it, once. It prints one line to run on the machine where the provider is to\n" +
			"run; PLUGIN stands for the plugin's binary. The token is shown only here; without --token-file join asks for it, which\n" +
			"keeps it out of the shell's history. The provider is admitted for the services that are named, or else for those that\n" +
			"it offers when it joins.",
		Example: "  rhyzome provider token create --name hv1\n" +
			"  rhyzome provider token create --name hv1 --service compute --require-approval\n" +
			"  rhyzome provider token create --name hv1 -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			_, fresh, err := t.Providers.CreateToken(cmd.Context(), token)
			if err != nil {
				return err
			}
			if a.form != formTable {
				return a.encode(cmd.OutOrStdout(), fresh)
			}
			a.note(cmd, "Run this on the other machine before %s:", moment(&fresh.ExpiresAt))
			_, err = fmt.Fprintln(cmd.OutOrStdout(), fresh.Command)
			return err
		},
	}
	cmd.Flags().StringVar(&token.Name, "name", "", "`NAME` of the provider")
	cmd.Flags().StringSliceVar(&token.Services, "service", nil, "`SERVICE` that it is to serve: compute or network; may be repeated")
	cmd.Flags().BoolVar(&token.RequireApproval, "require-approval", false, "sign nothing before: rhyzome provider approve NAME")
	cmd.Flags().BoolVar(&token.Replace, "replace", false, "cut off the provider that has the name now, also if it is attached: for a key that was stolen")
	must(cmd, "name")
	forField(cmd, "name", "/name")
	for i := range 2 {
		forField(cmd, "service", fmt.Sprintf("/services/%d", i))
	}
	complete(cmd, "service", func(*cobra.Command) ([]string, error) { return []string{"compute", "network"}, nil })
	return cmd
}

func (a *app) providerApprove() *cobra.Command {
	var fingerprint string
	cmd := &cobra.Command{
		Use: "approve NAME", Short: "Let the machine in that waits", Args: exactly("NAME"),
		Long: "Let the machine in that redeemed the provider's join token and waits. Compare the fingerprint first: its join shows the\n" +
			"same as `rhyzome provider get`. If no machine waits, and the provider is contested, this says that it is the right one.",
		Example:           "  rhyzome provider approve hv1\n  rhyzome provider approve hv1 --fingerprint SHA256:2x1...",
		ValidArgsFunction: completeNames(1, namesOf(a, providers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			if _, err := t.Providers.Approve(cmd.Context(), args[0], fingerprint); err != nil {
				return err
			}
			a.note(cmd, "The provider %s is approved.", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&fingerprint, "fingerprint", "", "refuse any key but that of this `FINGERPRINT`")
	forField(cmd, "fingerprint", "/key_fingerprint")
	return cmd
}

func (a *app) providerReplace() *cobra.Command {
	var machine string
	cmd := &cobra.Command{
		Use: "replace NAME", Short: "Let another machine take a provider's place", Args: exactly("NAME"),
		Long: "Let the machine take the provider's place that came with a copy of its certificate and was refused, as `rhyzome provider\n" +
			"get` shows. The machine that had the place until now is disconnected, and refused from now on.",
		Example:           "  rhyzome provider replace hv1\n  rhyzome provider replace hv1 --machine 3f0c9a6be1d24f6f8f3a",
		ValidArgsFunction: completeNames(1, namesOf(a, providers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			p, err := t.Providers.Replace(cmd.Context(), args[0], machine)
			if err != nil {
				return err
			}
			a.note(cmd, "The provider %s is machine %s from now on.", p.Name, p.Status.MachineID)
			return nil
		},
	}
	cmd.Flags().StringVar(&machine, "machine", "", "refuse any machine but that of this `ID`")
	forField(cmd, "machine", "/machine_id")
	return cmd
}

func (a *app) providerDial() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use: "dial NAME", Short: "Connect to a provider that listens", Args: exactly("NAME"),
		Long: "Connect to a provider that listens, where only the core can make connections: on the provider's machine,\n" +
			"`PLUGIN listen --address HOST:PORT` runs. It may be said before the provider has joined. A connection that there is\n" +
			"stays; an empty address ends the dialling.",
		Example:           "  rhyzome provider dial hv1 --address hv1.example.org:7444\n  rhyzome provider dial hv1 --address ''",
		ValidArgsFunction: completeNames(1, namesOf(a, providers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			p, err := t.Providers.Dial(cmd.Context(), args[0], address)
			if err != nil {
				return err
			}
			return show(a, cmd, providers.facts, p)
		},
	}
	cmd.Flags().StringVar(&address, "address", "", "`HOST:PORT` where the provider listens")
	must(cmd, "address")
	forField(cmd, "address", "/address")
	return cmd
}
