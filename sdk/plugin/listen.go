// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/sdk/attach"
)

func (g *program) listenCommand() *cobra.Command {
	var address, tokenFile string
	c := &cobra.Command{
		Use:   "listen --address HOST:PORT",
		Short: "Wait for the core to connect, and serve it",
		Long: "Wait for the core to connect, where only it can: it is told by `rhyzome provider dial NAME --address HOST:PORT`. Only\n" +
			"the connection is made the other way round; all else is as with attach. With a token, a machine that has not joined\n" +
			"does so first, the same way. Nobody but a core of the cloud is answered; one core can be served.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return g.listen(c.Context(), address, cmp.Or(tokenFile, os.Getenv("RHYZOME_TOKEN_FILE")))
		},
	}
	c.Flags().StringVar(&address, "address", "", "HOST:PORT to listen at; :PORT for every address")
	c.Flags().StringVar(&tokenFile, "token-file", "", "file that holds a join token, - for stdin (RHYZOME_TOKEN_FILE)")
	return c
}

func (g *program) listen(ctx context.Context, address, tokenFile string) error {
	if address == "" {
		return errors.New("say where to listen: --address HOST:PORT")
	}
	s, err := g.settings()
	if err != nil {
		return err
	}
	level, err := s.level()
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	log := slog.New(slog.NewTextHandler(g.stderr, &slog.HandlerOptions{Level: level}))
	inbound := attach.NewInbound(listener, log)
	defer inbound.Close()
	ctx = inbound.Context(ctx)
	g.flags.Core = []string{listener.Addr().String()} // which names the way; nobody is dialled
	if _, err := readIdentity(s.StateDir); errors.Is(err, fs.ErrNotExist) && tokenFile != "" {
		s.Core = g.flags.Core
		joining := *g
		joining.stdout = g.stderr // for the key's fingerprint, where an operator has to approve it
		id, err := joining.enrol(ctx, s, ticket{file: tokenFile}, g.services())
		if err != nil {
			return err
		}
		log.Info("joined", "provider", id.ProviderName, "identity", identityFile(s.StateDir))
	}
	return g.attach(ctx)
}
