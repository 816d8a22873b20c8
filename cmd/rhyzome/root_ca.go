// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/cmd/rhyzome/cli"
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
)

// year is what the life of an intermediate is counted in.
const year = 365 * 24 * time.Hour

// maxRequest is more than any certificate request has.
const maxRequest = 64 << 10

// newRootCACommand makes the root of a cloud on a machine that keeps its key away from the core.
func newRootCACommand() *cobra.Command {
	var cloud, out string
	cmd := &cobra.Command{
		Use:   "root --cloud ID --out DIR",
		Short: "Make a root whose key stays on this machine",
		Long: `Make the key and the certificate of a cloud's root, in a directory on this machine, which should not be the core's: it
needs no network. The key signs intermediates (rhyzome ca sign), seldom, and never has to be anywhere else. Keep a copy of
the directory: without it, the next intermediate needs a new root.`,
		Example: "  rhyzome ca root --cloud 01932e8a-7c1e-7f3a-9d54-2f6a1b0c9e11 --out /media/vault/rhyzome",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !core.LooksLikeID(cloud) {
				return cli.CalledWrongly(fmt.Errorf("--cloud %q is not the id of a cloud: rhyzome ca request says it", cloud))
			}
			root, err := pki.MakeRoot(out, cloud, time.Now().UTC())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The root is %s. Its key is in %s, and stays there.\n", root, out)
			return err
		},
	}
	cmd.Flags().StringVar(&cloud, "cloud", "", "`ID` of the cloud: rhyzome ca request says it")
	cmd.Flags().StringVar(&out, "out", "", "`DIR` for the key and the certificate")
	cobra.CheckErr(errors.Join(cmd.MarkFlagRequired("cloud"), cmd.MarkFlagRequired("out"))) // they were just added
	return cmd
}

// newSignCommand lets that root sign.
func newSignCommand() *cobra.Command {
	var dir string
	var years int
	cmd := &cobra.Command{
		Use:   "sign --root DIR < request.pem > signed.pem",
		Short: "Let a root on this machine sign what rhyzome ca request printed",
		Long: `Let a root that rhyzome ca root made sign a certificate request of its cloud's core. What it signs may sign for cores and
providers of this cloud, and make no other CA. Compare the key with the one that rhyzome ca request said.`,
		Example: "  rhyzome ca sign --root /media/vault/rhyzome < request.pem > signed.pem",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if years < 1 || years > 20 {
				return cli.CalledWrongly(fmt.Errorf("--years %d: use 1 to 20", years))
			}
			request, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxRequest))
			if err != nil {
				return err
			}
			signed, err := pki.SignRequest(dir, request, time.Duration(years)*year, time.Now().UTC())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Signed for the key %s, until %s.\n", signed.KeyFingerprint, signed.NotAfter.Format(time.DateOnly))
			_, err = cmd.OutOrStdout().Write(signed.Certificates)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "root", "", "`DIR` that rhyzome ca root made")
	cmd.Flags().IntVar(&years, "years", 2, "for how long")
	cobra.CheckErr(cmd.MarkFlagRequired("root")) // it was just added
	return cmd
}
