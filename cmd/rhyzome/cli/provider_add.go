// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

// newBinary is the flags of every command that gives the core a plugin to run.
type newBinary struct {
	client.NewBinary
	signatureFile, configFile string
}

func (b *newBinary) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.Binary, "binary", "", "`PATH` of the plugin on the core's machine")
	cmd.Flags().StringVar(&b.SHA256, "sha256", "", "`SUM` that the binary must have, in hexadecimal")
	cmd.Flags().StringVar(&b.signatureFile, "signature", "", "`FILE` on this machine: the binary's Ed25519 signature, where the core asks for one")
	must(cmd, "binary")
	must(cmd, "sha256")
	forField(cmd, "binary", "/binary")
	forField(cmd, "sha256", "/sha256")
	forField(cmd, "signature", "/signature")
	forFile(cmd, "config", "/config")
}

// read reads the files that the flags name.
func (b *newBinary) read() (err error) {
	if b.configFile != "" {
		if b.Config, err = readConfig("config", b.configFile); err != nil {
			return err
		}
	}
	if b.signatureFile == "" {
		return nil
	}
	text, err := os.ReadFile(b.signatureFile)
	if err != nil {
		return usage("--signature: %s", err.Error())
	}
	b.Signature = strings.TrimSpace(string(text))
	if len(text) == ed25519.SignatureSize { // as openssl writes it
		b.Signature = base64.StdEncoding.EncodeToString(text)
	}
	return nil
}

func (a *app) providerAdd() *cobra.Command {
	var b newBinary
	cmd := &cobra.Command{
		Use: "add NAME --binary PATH --sha256 SUM", Short: "Add a provider that the core runs itself", Args: exactly("NAME"),
		Long: "Add a provider that the core runs itself, on its own machine. The binary is a path there: the core copies it, if it\n" +
			"has that digest, and starts the copy now, whenever it ends, and with the core; as a user of its own where the core is\n" +
			"root. The configuration is kept; secrets in it are not shown again.",
		Example: "  rhyzome provider add acme --binary /usr/local/bin/rhyzome-acme --sha256 \"$(sha256sum /usr/local/bin/rhyzome-acme | cut -d' ' -f1)\" --config acme.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.read(); err != nil {
				return err
			}
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			added, err := t.Providers.Add(cmd.Context(), client.NewLocalProvider{Name: args[0], NewBinary: b.NewBinary})
			if err != nil {
				return err
			}
			return show(a, cmd, providers.facts, added)
		},
	}
	cmd.Flags().StringVar(&b.configFile, "config", "", "YAML `FILE` on this machine: the provider's configuration")
	b.addFlags(cmd)
	return cmd
}

// upgradeLookEvery is how often --wait looks.
const upgradeLookEvery = 500 * time.Millisecond

func (a *app) providerUpgrade() *cobra.Command {
	var b newBinary
	var wait bool
	cmd := &cobra.Command{
		Use: "upgrade NAME --binary PATH --sha256 SUM", Short: "Run another version of a plugin as a provider that the core runs", Args: exactly("NAME"),
		Long: "Run another version of a plugin as a provider that the core runs. The core copies the binary, if it has that digest,\n" +
			"beside the one that runs, and tries it: it must be the same plugin, and the configuration must fit it. Then it takes the\n" +
			"place. If it does not come up within a minute, the one from before takes the place again, by itself. A provider on\n" +
			"another machine is upgraded by that machine's packages; rhyzome provider list shows who is behind.",
		Example: "  rhyzome provider upgrade acme --binary /usr/local/bin/rhyzome-acme-1.2 --sha256 \"$(sha256sum /usr/local/bin/rhyzome-acme-1.2 | cut -d' ' -f1)\"\n" +
			"  rhyzome provider upgrade acme --binary /srv/rhyzome-acme --sha256 59e1... --signature rhyzome-acme.sig --config acme.yaml",
		ValidArgsFunction: completeNames(1, namesOf(a, providers)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.read(); err != nil {
				return err
			}
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			p, err := t.Providers.Upgrade(cmd.Context(), args[0], b.NewBinary)
			if err == nil && wait {
				p, err = awaitUpgrade(cmd.Context(), t, p)
			}
			if err != nil {
				return err
			}
			return errors.Join(show(a, cmd, providers.facts, p), upgradeFailed(p))
		},
	}
	cmd.Flags().StringVar(&b.configFile, "config", "", "YAML `FILE` on this machine: another configuration, for the new version")
	cmd.Flags().BoolVarP(&wait, "wait", "w", true, "wait until it is done, or rolled back")
	b.addFlags(cmd)
	return cmd
}

// awaitUpgrade looks until the outcome is known.
func awaitUpgrade(ctx context.Context, t target, p client.Provider) (client.Provider, error) {
	for p.Local != nil && p.Local.Upgrade != nil && p.Local.Upgrade.State == client.UpgradeRunning {
		select {
		case <-time.After(upgradeLookEvery):
		case <-ctx.Done():
			return p, ctx.Err()
		}
		var err error
		if p, err = t.Providers.Get(ctx, p.ID); err != nil {
			return p, err
		}
	}
	return p, nil
}

// upgradeFailed is the error of an upgrade that was rolled back.
func upgradeFailed(p client.Provider) error {
	if p.Local == nil || p.Local.Upgrade == nil || p.Local.Upgrade.State != client.UpgradeRolledBack {
		return nil
	}
	return fmt.Errorf("the upgrade of %s to %s was rolled back: %s; %s runs again",
		p.Name, p.Local.Upgrade.ToVersion, p.Local.Upgrade.Message, p.Local.Upgrade.FromVersion)
}
