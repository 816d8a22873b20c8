// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const (
	// joinWithin is how long a core may take to answer.
	joinWithin = 30 * time.Second
	// approvalEvery is how often a core is asked again that waits for an operator.
	approvalEvery = 2 * time.Second
)

func (g *program) joinCommand() *cobra.Command {
	var t ticket
	c := &cobra.Command{
		Use:   "join --core HOST:PORT [--token-file FILE]",
		Short: "Enrol this machine with a join token",
		Long: "Enrol this machine with a join token, which `rhyzome provider token create` prints. It is asked for, or read from a\n" +
			"file or from stdin; never an argument, which others on the machine could see. The key is made here and never leaves;\n" +
			"the core is told the token only after it has shown the CA that the token names. Where the token requires approval,\n" +
			"the key's fingerprint is shown, and join waits for an operator who compares it.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // it may be the token, so it is not repeated
				return errors.New("join takes no arguments: it asks for the token, or reads it with --token-file FILE, - for stdin")
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return g.join(c.Context(), t) },
	}
	t.addFlags(c)
	return c
}

// ticket is what join needs beside the settings.
type ticket struct {
	file    string // that holds the token
	name    string // that it has to be for; empty for whichever it is
	replace bool
}

func (t *ticket) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&t.file, "token-file", "", "file that holds the token, - for stdin (RHYZOME_TOKEN_FILE)")
	c.Flags().StringVar(&t.name, "name", "", "refuse a token that is for a provider of another name")
	c.Flags().BoolVar(&t.replace, "replace", false, "replace the identity that this machine has")
}

func (g *program) join(ctx context.Context, t ticket) error {
	s, err := g.settings()
	if err != nil {
		return err
	}
	id, err := g.enrol(ctx, s, t, g.services())
	if err != nil {
		return err
	}
	name := "rhyzome-" + g.description.Name
	again := name + g.given()
	_, err = fmt.Fprintf(g.stdout, `Joined as provider %s. Key and certificate are in %s.
Next, on this machine:
  1. write %s, with the provider's own settings below "config:" (%s schema)
  2. %s check
  3. %s attach
`, id.ProviderName, identityFile(s.StateDir), g.configPath(), name, again, again)
	return err
}

// given returns the flags that a command was called with and that the next one needs too.
func (g *program) given() string {
	var flags string
	if g.configFile != "" {
		flags += " --config " + g.configFile
	}
	if g.flags.StateDir != "" {
		flags += " --state-dir " + g.flags.StateDir
	}
	return flags
}

// enrol makes this machine a member that serves services, and writes down what it got.
func (g *program) enrol(ctx context.Context, s settings, t ticket, services []string) (identity, error) {
	if len(s.Core) == 0 {
		return identity{}, errors.New("say where the core is: --core HOST:PORT")
	}
	if err := refuseSecond(s.StateDir, t.replace); err != nil {
		return identity{}, err
	}
	token, err := g.readToken(cmp.Or(t.file, os.Getenv("RHYZOME_TOKEN_FILE")))
	if err != nil {
		return identity{}, err
	}
	machine, err := s.machineID()
	if err != nil {
		return identity{}, err
	}
	key, err := joiningKey(s.StateDir)
	if err != nil {
		return identity{}, err
	}
	request, err := certificateRequest(g.description.Name, key)
	if err != nil {
		return identity{}, err
	}
	answer, err := g.redeem(ctx, s.Core, token, key, &pb.EnrolRequest{
		Token: token.Secret, CertificateRequest: request, MachineId: machine, Plugin: g.description.Name,
		Services: services, ProviderName: t.name,
	})
	switch fault.ReasonOf(err) {
	case "":
	case fault.TokenInvalid, fault.TokenExpired, fault.TokenUsed, fault.TokenMismatch, fault.InvalidField:
		return identity{}, errors.Join(err, os.Remove(joiningFile(s.StateDir))) // the key is of no use any more
	default:
		return identity{}, err
	}
	id := identity{ProviderID: answer.GetProviderId(), ProviderName: answer.GetProviderName(), Core: s.Core}
	if id, err = id.certified(key, answer.GetCertificateChain(), answer.GetRoots()); err != nil {
		return identity{}, err
	}
	if err := errors.Join(id.write(s.StateDir), os.Remove(joiningFile(s.StateDir))); err != nil {
		return identity{}, fmt.Errorf("the identity could not be written; join again with the same token before it expires: %w", err)
	}
	return id, nil
}

// services returns what the plugin serves.
func (g *program) services() []string {
	e := engine.New(g.provider, engine.Options{Logger: slog.New(slog.DiscardHandler)})
	defer closeEngine(e)
	return e.Description().Services
}

// refuseSecond keeps a machine's identity from being overwritten by mistake.
func refuseSecond(stateDir string, replace bool) error {
	id, err := readIdentity(stateDir)
	switch {
	case replace, errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("this machine has joined already, as provider %s (%s); use --replace to join anew",
		id.ProviderName, identityFile(stateDir))
}

func (g *program) readToken(file string) (attach.Token, error) {
	in := g.stdin
	switch file {
	case "":
		return g.promptToken()
	case "-":
	default:
		f, err := os.Open(file)
		if err != nil {
			return attach.Token{}, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return attach.Token{}, err
	}
	return attach.ParseToken(string(text))
}

// promptToken asks at the terminal, which does not show what is typed.
func (g *program) promptToken() (attach.Token, error) {
	f, ok := g.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return attach.Token{}, errors.New("say where the token is: --token-file FILE, or - for stdin; only a terminal is asked for it")
	}
	fmt.Fprint(g.stderr, "Join token (it is not shown): ")
	text, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(g.stderr)
	if err != nil {
		return attach.Token{}, err
	}
	return attach.ParseToken(string(text))
}

// redeem exchanges the token for a certificate, at the first core that answers. It waits while an operator has to approve.
func (g *program) redeem(
	ctx context.Context, cores []string, token attach.Token, key crypto.Signer, request *pb.EnrolRequest,
) (*pb.EnrolResponse, error) {
	waiting := false
	for {
		answer, err := redeemOnce(ctx, cores, token, request)
		reason := fault.ReasonOf(err)
		if reason != fault.ApprovalPending && (!waiting || reason != fault.CoreAway) {
			return answer, err
		}
		if !waiting {
			fingerprint, err := attach.KeyFingerprint(key.Public())
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(g.stdout, "This machine's key is %s\nAn operator compares it with `rhyzome provider get NAME`, then lets it in: rhyzome provider approve NAME. Waiting.\n", fingerprint)
			waiting = true
		}
		select {
		case <-time.After(approvalEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func redeemOnce(ctx context.Context, cores []string, token attach.Token, request *pb.EnrolRequest) (*pb.EnrolResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	return atAny(cores, func(core string) (*pb.EnrolResponse, error) {
		conn, err := attach.JoinConn(ctx, core, token, time.Now)
		if err != nil {
			return nil, err
		}
		answer, err := pb.NewJoinServiceClient(conn).Enrol(ctx, request)
		return answer, errors.Join(asked(err), conn.Close())
	})
}

// atAny asks one core after the other until one answers. Only a core that is away is followed by the next.
func atAny[T any](cores []string, ask func(core string) (T, error)) (T, error) {
	var last error
	for _, core := range cores {
		answer, err := ask(core)
		if fault.ReasonOf(err) != fault.CoreAway {
			return answer, err
		}
		last = err
	}
	var none T
	return none, last
}

// asked turns what a call to the core returned into a fault.
func asked(err error) error {
	err = wire.FromStatus(err)
	if fault.ReasonOf(err) == fault.ProviderAway {
		return fault.New(fault.CoreAway, "the connection to the core was lost; the outcome is unknown")
	}
	return err
}
