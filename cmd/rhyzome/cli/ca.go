// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/client"
)

var caFacts = []column[client.CA]{
	{"CLOUD", func(c client.CA) string { return c.Cloud }},
	{"PHASE", func(c client.CA) string { return string(c.Phase) }},
	{"SIGNS", func(c client.CA) string {
		if c.Intermediate != nil {
			return root(*c.Intermediate)
		}
		return root(c.Roots[0])
	}},
	{"UNDER", func(c client.CA) string {
		if c.Intermediate == nil {
			return ""
		}
		return root(c.Roots[0])
	}},
	{"TRUSTED TOO", func(c client.CA) string {
		var all []string
		for _, r := range c.Roots[1:] {
			all = append(all, root(r))
		}
		return strings.Join(all, "\n")
	}},
	{"READY", func(c client.CA) string { return providersOf(c, true) }},
	{"NOT READY", func(c client.CA) string { return providersOf(c, false) }},
	{"NEXT", nextStep},
}

func root(r client.CARoot) string { return r.Fingerprint + ", until " + moment(&r.NotAfter) }

func providersOf(c client.CA, ready bool) string {
	var all []string
	for _, p := range c.Providers {
		name := p.Name
		if p.State != client.ProviderReady { // says why nothing happens
			name = fmt.Sprintf("%s (%s)", p.Name, p.State)
		}
		if p.Ready == ready {
			all = append(all, name)
		}
	}
	return strings.Join(all, ", ")
}

func nextStep(c client.CA) string {
	switch c.Phase {
	case client.CASpreading:
		return "give clients both roots (rhyzome ca get --pem); when all are ready, rhyzome ca rotate lets the new root sign"
	case client.CASwitched:
		return "when all are ready, rhyzome ca rotate ends the trust in what signed before"
	}
	return ""
}

func (a *app) caCommand() *cobra.Command {
	return family("ca", "The certificate authority of the cloud", a.caGet(), a.caRotate(), a.caRequest(), a.caInstall())
}

func (a *app) caGet() *cobra.Command {
	var pem bool
	cmd := &cobra.Command{
		Use: "get", Aliases: []string{"show"}, Short: "Show what is trusted, and how far a rotation is", Args: cobra.NoArgs,
		Long: "Show which root signs, which are trusted, and which providers are ready for the next step of a rotation. --pem prints the\n" +
			"trusted roots, for: rhyzome context set --ca-file.",
		Example: "  rhyzome ca get\n  rhyzome ca get --pem > ca.pem",
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			ca, err := t.CA.Get(cmd.Context())
			if err != nil {
				return err
			}
			if !pem {
				return show(a, cmd, caFacts, ca)
			}
			for _, r := range ca.Roots {
				if _, err := fmt.Fprint(cmd.OutOrStdout(), r.Certificate); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&pem, "pem", false, "print the trusted roots as PEM")
	return cmd
}

func (a *app) caRotate() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "rotate", Short: "Take the next step of a rotation", Args: cobra.NoArgs,
		Long: "Take the next step of a rotation of the CA. The first makes a new root and gives it to every provider. The second lets it\n" +
			"sign and destroys the old root's key. The third ends the trust in the old root. The second and the third are refused\n" +
			"while a provider is not ready; one that is away gets ready by itself when it is back. Clients need the new root before\n" +
			"the second: rhyzome ca get --pem.\n\n" +
			"Where the root's key is kept elsewhere, rhyzome ca install takes the first step.",
		Example: "  rhyzome ca rotate\n  rhyzome ca rotate --force",
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			ca, err := t.CA.Rotate(cmd.Context(), force)
			if err != nil {
				return err
			}
			return show(a, cmd, caFacts, ca)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also if providers are not ready; those need a new join token then")
	return cmd
}

func (a *app) caRequest() *cobra.Command {
	return &cobra.Command{
		Use: "request", Short: "Print what a root that is kept elsewhere has to sign", Args: cobra.NoArgs,
		Long: "Print a certificate request for a key that the core makes, so that the root's key need not be there: the core signs with\n" +
			"this one, an intermediate. The key stays in the core, and is the same until its certificate is installed.",
		Example: "  rhyzome ca request > request.pem",
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			r, err := t.CA.Request(cmd.Context())
			if err != nil {
				return err
			}
			if !a.quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), `The key is %s.
Next, on the machine that keeps the root:
  rhyzome ca root --cloud %s --out DIR    # once
  rhyzome ca sign --root DIR < request.pem > signed.pem
and here: rhyzome ca install < signed.pem
`, r.KeyFingerprint, r.Cloud)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), r.CertificateRequest)
			return err
		},
	}
}

// maxCertificates is more than an intermediate and a root are.
const maxCertificates = 64 << 10

func (a *app) caInstall() *cobra.Command {
	return &cobra.Command{
		Use: "install", Short: "Install what the root signed, from stdin", Args: cobra.NoArgs,
		Long: "Install what rhyzome ca sign printed on the machine of the root. Under the root that is in use it signs at once, and nobody\n" +
			"has to trust anything new; rhyzome ca rotate then ends the trust in what signed before. A new root is given to every\n" +
			"provider first, as by rhyzome ca rotate, whose second and third step follow.",
		Example: "  rhyzome ca install < signed.pem",
		RunE: func(cmd *cobra.Command, _ []string) error {
			signed, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxCertificates))
			if err != nil {
				return err
			}
			t, err := a.reach(cmd, inCloud)
			if err != nil {
				return err
			}
			ca, err := t.CA.Install(cmd.Context(), string(signed))
			if err != nil {
				return err
			}
			return show(a, cmd, caFacts, ca)
		},
	}
}
