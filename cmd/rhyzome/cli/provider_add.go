// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

func (a *app) providerAdd() *cobra.Command {
	p := client.NewLocalProvider{}
	var configFile string
	cmd := &cobra.Command{
		Use: "add NAME --binary PATH --sha256 SUM", Short: "Add a provider that the core runs itself", Args: exactly("NAME"),
		Long: "Add a provider that the core runs itself, on its own machine. The binary is a path there: the core copies it, if it\n" +
			"has that digest, and starts the copy now, whenever it ends, and with the core; as a user of its own where the core is\n" +
			"root. The configuration is kept; secrets in it are not shown again.",
		Example: "  rhyzome provider add acme --binary /usr/local/bin/rhyzome-acme --sha256 \"$(sha256sum /usr/local/bin/rhyzome-acme | cut -d' ' -f1)\" --config acme.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Name = args[0]
			if configFile != "" {
				var err error
				if p.Config, err = readConfig("config", configFile); err != nil {
					return err
				}
			}
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			added, err := t.Providers.Add(cmd.Context(), p)
			if err != nil {
				return err
			}
			return show(a, cmd, providers.facts, added)
		},
	}
	cmd.Flags().StringVar(&p.Binary, "binary", "", "`PATH` of the plugin on the core's machine")
	cmd.Flags().StringVar(&p.SHA256, "sha256", "", "`SUM` that the binary must have, in hexadecimal")
	cmd.Flags().StringVar(&configFile, "config", "", "YAML `FILE` on this machine: the provider's configuration")
	must(cmd, "binary")
	must(cmd, "sha256")
	forField(cmd, "binary", "/binary")
	forField(cmd, "sha256", "/sha256")
	forFile(cmd, "config", "/config")
	return cmd
}
