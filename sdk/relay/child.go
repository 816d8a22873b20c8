// SPDX-License-Identifier: Apache-2.0

// Package relay lets a provider's program attach that cannot do so itself: one in a language whose gRPC library does not
// serve on a connection that it dialled, say. The program runs as a go-plugin child, unmodified, and what the core calls
// is forwarded to it, byte by byte. The command `rhyzome relay` stands on it.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/handshake"
)

// startWithin is how long a program may take to say that it serves.
const startWithin = 30 * time.Second

// socketDirectory is the variable in which go-plugin tells a child where its socket belongs.
const socketDirectory = "PLUGIN_UNIX_SOCKET_DIR"

// Program is what serves as a go-plugin child.
type Program struct {
	Path     string
	Args     []string
	AutoMTLS bool      // false for programs that speak in the clear; the socket's directory is the user's own
	Stderr   io.Writer // gets what the program says there
	Debug    bool      // a debugger may stop the program
}

// Child is a program that runs.
type Child struct {
	process *plugin.Client
	link    *link
	sockets string
}

// Start starts the program. It runs until Close, whatever becomes of ctx, or until this process dies.
func Start(ctx context.Context, p Program) (*Child, error) {
	sockets, err := os.MkdirTemp("", "rhyzome-relay-") // mode 0700
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), p.Path, p.Args...)
	cmd.Env = append(os.Environ(), socketDirectory+"="+sockets)
	if p.Debug {
		cmd.Env = append(cmd.Env, handshake.DebugVariable+"=true")
	}
	dieWithParent(cmd)
	process := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake.Config(),
		VersionedPlugins: map[int]plugin.PluginSet{handshake.ProtocolVersion: {handshake.Name: linker{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, GRPCDialOptions: attach.ClientOptions(p.Debug),
		Cmd: cmd, SkipHostEnv: true, AutoMTLS: p.AutoMTLS, StartTimeout: startWithin,
		Logger: hclog.NewNullLogger(), Stderr: p.Stderr,
	})
	l, err := connect(process)
	if err != nil {
		process.Kill()
		return nil, errors.Join(fmt.Errorf("%s does not serve: %w", p.Path, err), os.RemoveAll(sockets))
	}
	return &Child{process: process, link: l, sockets: sockets}, nil
}

// Conn returns the gRPC connection to the program.
func (c *Child) Conn() grpc.ClientConnInterface { return c.link.conn }

// Done is closed when the program has ended.
func (c *Child) Done() <-chan struct{} { return c.link.alive.Done() }

// Close ends the program: it is asked, and killed if it has not ended two seconds later.
func (c *Child) Close() error {
	c.process.Kill()
	return os.RemoveAll(c.sockets)
}

func connect(process *plugin.Client) (*link, error) {
	protocol, err := process.Client()
	if err != nil {
		return nil, err
	}
	if err := protocol.Ping(); err != nil { // Client is content with an address where nobody answers
		return nil, err
	}
	raw, err := protocol.Dispense(handshake.Name)
	if err != nil {
		return nil, err
	}
	l, ok := raw.(*link)
	if !ok {
		return nil, fmt.Errorf("the plugin is a %T", raw)
	}
	return l, nil
}

// link is what go-plugin knows of a child.
type link struct {
	alive context.Context // ends with the process
	conn  *grpc.ClientConn
}

// linker is the plugin as go-plugin sees it from here: nothing but its connection.
type linker struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin. Nobody calls it: the program is the server.
func (linker) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("a relay serves no plugin")
}

// GRPCClient implements plugin.GRPCPlugin.
func (linker) GRPCClient(ctx context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &link{alive: ctx, conn: conn}, nil
}

var _ plugin.GRPCPlugin = linker{}
