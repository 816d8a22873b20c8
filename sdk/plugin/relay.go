// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/relay"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// RelayCommand returns the command "relay": the command line of a provider, for a program that has none of its own.
func RelayCommand() *cobra.Command {
	r := &relayed{}
	root := &cobra.Command{
		Use:   "relay",
		Short: "Attach a provider's program that cannot attach by itself",
		Long: `Attach a provider's program that cannot attach by itself, for its language's gRPC library does not serve on a
connection that it made. The program runs as a child, unmodified, as a core on this machine would run it; when it dies
it is started again. Identity and configuration file are those of a provider that attaches by itself.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	r.addFlags(root, "PLUGIN")
	root.PersistentFlags().BoolVar(&r.clear, "no-auto-mtls", false, "speak to the program in the clear, on its unix socket")
	root.AddCommand(r.joinCommand(), r.checkCommand(), r.attachCommand())
	return root
}

// relayed is a program behind a relay.
type relayed struct {
	program
	clear bool
}

func (r *relayed) joinCommand() *cobra.Command {
	var t ticket
	c := r.command("join --core HOST:PORT [--token-file FILE] -- PROGRAM [ARGUMENT...]", "Enrol this machine with a join token",
		func(ctx context.Context, p relay.Program) error { return r.join(ctx, p, t) })
	c.Example = "  rhyzome relay join --core core.example:7443 --token-file token --no-auto-mtls -- ./provider.py"
	t.addFlags(c)
	return c
}

func (r *relayed) attachCommand() *cobra.Command {
	c := r.command("attach -- PROGRAM [ARGUMENT...]", "Attach to the core, and forward to the program", r.attach)
	c.Example = "  rhyzome relay attach --no-auto-mtls -- ./provider.py"
	return c
}

// command makes a command that ends with a program. What follows the program's name is the program's.
func (r *relayed) command(use, short string, run func(context.Context, relay.Program) error) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("say which program, and its arguments, if any, after --")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			r.stdin, r.stdout, r.stderr = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
			return run(c.Context(), relay.Program{Path: args[0], Args: args[1:], AutoMTLS: !r.clear, Stderr: r.stderr})
		},
	}
	c.Flags().SetInterspersed(false)
	return c
}

// start starts the program, and asks what it is.
func (r *relayed) start(ctx context.Context, p relay.Program) (*relay.Child, wire.Description, error) {
	var err error
	if p.Debug, err = r.debug(); err != nil {
		return nil, wire.Description{}, err
	}
	child, err := relay.Start(ctx, p)
	if err != nil {
		return nil, wire.Description{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, wire.CallTimeout)
	defer cancel()
	d, err := wire.NewClient(child.Conn()).Describe(ctx)
	if err != nil {
		return nil, d, fmt.Errorf("%s does not describe itself: %w", p.Path, closing(err, child))
	}
	return child, d, nil
}

// join starts the program only to learn its name.
func (r *relayed) join(ctx context.Context, p relay.Program, t ticket) error {
	child, d, err := r.start(ctx, p)
	if err != nil {
		return err
	}
	if err := child.Close(); err != nil {
		return err
	}
	r.description = d.Description
	s, err := r.settings()
	if err != nil {
		return err
	}
	id, err := r.enrol(ctx, s, t, d.Services)
	if err != nil {
		return err
	}
	flags := r.given()
	if r.clear {
		flags += " --no-auto-mtls"
	}
	_, err = fmt.Fprintf(r.stdout, `Joined as provider %s. Key and certificate are in %s.
Next, on this machine:
  1. write %s, with the program's own settings below "config:"
  2. rhyzome relay check%[4]s -- %[5]s
  3. rhyzome relay attach%[4]s -- %[5]s
`, id.ProviderName, identityFile(s.StateDir), r.configPath(), flags, strings.Join(append([]string{p.Path}, p.Args...), " "))
	return err
}

// attach serves the core until SIGTERM.
func (r *relayed) attach(ctx context.Context, p relay.Program) error {
	child, d, err := r.start(ctx, p)
	if err != nil {
		return err
	}
	r.description = d.Description
	k, err := r.keeper(p)
	if err != nil {
		return closing(err, child)
	}
	return k.keep(ctx, child, d)
}

// keeper makes ready what has to be known before anything is attached.
func (r *relayed) keeper(p relay.Program) (*keeper, error) {
	s, err := r.settings()
	if err != nil {
		return nil, err
	}
	level, err := s.level()
	if err != nil {
		return nil, err
	}
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	m, err := r.member(s, "rhyzome relay")
	if err != nil {
		return nil, err
	}
	m.log = slog.New(slog.NewTextHandler(r.stderr, &slog.HandlerOptions{Level: level}))
	digest := attach.Digest(p.Path)
	edit := relay.Edit{pb.ProviderService_Configure_FullMethodName: func(request []byte) ([]byte, error) {
		return overlaid(base, request)
	}}
	return &keeper{
		member: m, log: m.log,
		start: func(ctx context.Context) (*relay.Child, wire.Description, error) { return r.start(ctx, p) },
		dialer: func(child *relay.Child, d wire.Description) (*attach.Dialer, error) {
			dialer, err := r.dialer(d, digest, s, m)
			if err != nil {
				return nil, err
			}
			dialer.Hello.SDK = "relay " + Version
			dialer.Register = func(s grpc.ServiceRegistrar) { pb.RegisterCertificateServiceServer(s, m) } // all else is forwarded
			dialer.Options = relay.Forward(child.Conn(), edit)
			return dialer, nil
		},
	}, nil
}

// overlaid puts the settings of an encoded ConfigureRequest over those of this machine.
func overlaid(base, request []byte) ([]byte, error) {
	var configure pb.ConfigureRequest
	if err := proto.Unmarshal(request, &configure); err != nil {
		return nil, err
	}
	configure.ConfigJson = merged(base, configure.GetConfigJson())
	return proto.Marshal(&configure)
}
