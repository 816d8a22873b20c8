// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/lab"
)

// errLab ends the command with 1 after its output has said why.
var errLab = errors.New("the lab is not as it should be")

func newLabCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "The whole system on this machine, with a proof",
		Long: `The whole system on this machine: a core, two hypervisors, a router behind a NAT, a laptop, and two tenants who must
not reach each other. Every part is a machine of its own, made of namespaces. Needs root.`,
	}
	cmd.PersistentFlags().StringVar(&dir, "dir", "/var/lib/rhyzome-lab", "where the lab lives")
	open := func() (*lab.Lab, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return lab.New(dir, filepath.Dir(self), os.Stdout)
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:     "up",
			Short:   "Make the lab, and prove that it works",
			Example: "  rhyzome lab up",
			Args:    cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				l, err := open()
				if err != nil {
					return err
				}
				return l.Up(cmd.Context())
			},
		},
		&cobra.Command{
			Use:     "verify",
			Short:   "Measure every claim of the lab again; exit 1 if one does not hold",
			Example: "  rhyzome lab verify",
			Args:    cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				l, err := open()
				if err != nil {
					return err
				}
				return l.Prove(cmd.Context())
			},
		},
		&cobra.Command{
			Use:     "status",
			Short:   "Show what runs, where, and what to try next",
			Example: "  rhyzome lab status",
			Args:    cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				l, err := open()
				if err != nil {
					return err
				}
				well, err := l.Status(cmd.Context(), cmd.OutOrStdout())
				if err == nil && !well {
					err = errLab
				}
				return err
			},
		},
		&cobra.Command{
			Use:     "down",
			Short:   "Remove every trace of the lab",
			Example: "  rhyzome lab down",
			Args:    cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				l, err := open()
				if err != nil {
					return err
				}
				return l.Down(cmd.Context())
			},
		},
	)
	return cmd
}
