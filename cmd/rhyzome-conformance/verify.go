// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/conformance"
)

func verifyCommand() *cobra.Command {
	var keyFile, plugin string
	cmd := &cobra.Command{
		Use:   "verify REPORT",
		Short: "Check a report: its signature, its verdict, and whether it is of a program",
		Long: `Verify reads a report that run --report wrote. It exits with 0 if the report is whole and says conformant, 1 if it
says something else or only some cases were run, and 2 if it cannot be believed.

Without --key a signature only proves that the report was not changed by accident: it names its own key.`,
		Example: `  rhyzome-conformance verify report.yaml --key vendor.pub --plugin ./rhyzome-mine`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, signer, err := readReport(args[0], keyFile)
			if err != nil {
				return err
			}
			if plugin != "" {
				if err := sameProgram(report, plugin); err != nil {
					return err
				}
			}
			signed := "not signed"
			if signer != nil {
				sum := sha256.Sum256(signer)
				signed = "signed with the key whose SHA-256 is " + hex.EncodeToString(sum[:])
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\nsuite %s, contract %s, by %s, %s; %s\n",
				report.Summary(), report.Suite, report.Contract, report.Way.Kind, report.StartedAt.Format("2006-01-02"), signed)
			if report.Leftover != "" {
				fmt.Fprintln(cmd.OutOrStdout(), "left behind:", report.Leftover)
			}
			if !report.Conformant() {
				return exitCode(exitNotConformant)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "the Ed25519 public key (PEM) that must have signed it")
	cmd.Flags().StringVar(&plugin, "plugin", "", "the program that it must be of")
	return cmd
}

func readReport(path, keyFile string) (conformance.Report, ed25519.PublicKey, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return conformance.Report{}, nil, err
	}
	var key ed25519.PublicKey
	if keyFile != "" {
		if key, err = conformance.LoadVerifyingKey(keyFile); err != nil {
			return conformance.Report{}, nil, err
		}
	}
	report, signer, err := conformance.Unmarshal(file, key)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return report, signer, err
}

func sameProgram(r conformance.Report, plugin string) error {
	content, err := os.ReadFile(plugin)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	if digest := hex.EncodeToString(sum[:]); digest != r.Way.Digest {
		return fmt.Errorf("the report is of a program with the SHA-256 %s, and %s has %s", r.Way.Digest, plugin, digest)
	}
	return nil
}
