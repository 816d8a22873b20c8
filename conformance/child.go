// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/conformance/internal/tail"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/handshake"
)

// startTimeout is how long a provider may take to say its handshake.
const startTimeout = 30 * time.Second

// Child is a target that starts a provider's program, as a core does with its children.
type Child struct {
	Path     string
	Args     []string
	Dir      string    // for its socket; it must exist, and is the run's alone; "" for one that Close removes
	Stderr   io.Writer // what the program says there; nil for nobody
	AutoMTLS bool      // false for programs in languages whose go-plugin support lacks it
	// Debug suspends deadlines, and is called with the id of each process that is started, before the first call; nil for
	// production's patience. See Runner.Debug.
	Debug func(pid int)

	cmd     *exec.Cmd
	words   *tail.Tail
	client  *plugin.Client
	cc      *grpc.ClientConn
	sockets string
}

// socketDirectory is the variable in which go-plugin tells a child where its socket belongs. A child that is killed does
// not remove it.
const socketDirectory = "PLUGIN_UNIX_SOCKET_DIR"

// Connect implements Target. The program outlives the call.
func (c *Child) Connect(ctx context.Context) (grpc.ClientConnInterface, error) {
	if c.cc != nil {
		return c.cc, nil
	}
	if c.sockets = cmp.Or(c.Dir, c.sockets); c.sockets == "" {
		var err error
		if c.sockets, err = os.MkdirTemp("", "rhyzome-conformance-"); err != nil {
			return nil, err
		}
	}
	var env []string
	var options []grpc.DialOption
	if c.Debug != nil {
		env = append(env, handshake.DebugVariable+"=true")
		options = attach.ClientOptions(true)
	}
	c.cmd = nil
	c.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: handshake.Config(), VersionedPlugins: handshake.Plugins(nil),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         c.AutoMTLS, StartTimeout: startTimeout, UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: c.sockets},
		Logger: hclog.NewNullLogger(), Stderr: c.listen(), GRPCDialOptions: options,
		RunnerFunc: func(_ hclog.Logger, pattern *exec.Cmd, _ string) (runner.Runner, error) {
			cmd := exec.CommandContext(context.WithoutCancel(ctx), c.Path, c.Args...)
			cmd.Env = append(append(pattern.Env, env...), socketDirectory+"="+c.sockets) // a short path
			cmd.Stdin = pattern.Stdin
			g, err := newGroup(cmd)
			if err != nil {
				return nil, err
			}
			c.cmd = cmd
			return g, nil
		},
	})
	protocol, err := c.client.Client()
	if err == nil {
		err = protocol.Ping() // Client is content with an address where nobody answers
	}
	if err != nil {
		c.end()
		return nil, c.silent(err)
	}
	served, ok := protocol.(*plugin.GRPCClient)
	if !ok {
		c.end()
		return nil, fmt.Errorf("%s speaks %T, not gRPC", c.Path, protocol)
	}
	if c.Debug != nil {
		c.Debug(c.cmd.Process.Pid)
	}
	c.cc = served.Conn
	return c.cc, nil
}

// listen is where the program's words go: the last ones may say why it does not serve.
func (c *Child) listen() io.Writer {
	c.words = &tail.Tail{}
	if c.Stderr == nil {
		return c.words
	}
	return io.MultiWriter(c.words, c.Stderr)
}

// silent says why a program does not serve: in its own words, if it had any. go-plugin can only guess.
func (c *Child) silent(err error) error {
	if words := c.words.String(); words != "" {
		return fmt.Errorf("%s does not serve; its last words:\n%s", c.Path, words)
	}
	guess, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s does not serve: %s", c.Path, guess)
}

// Restart implements Target, with SIGKILL.
func (c *Child) Restart(ctx context.Context) error {
	if c.cc != nil {
		if err := kill(c.cmd); err != nil {
			return err
		}
		c.end()
	}
	_, err := c.Connect(ctx)
	return err
}

// Close implements Target.
func (c *Child) Close() error {
	if c.cc != nil {
		c.end()
	}
	sockets := c.sockets
	c.sockets = ""
	if c.Dir != "" {
		return nil
	}
	return os.RemoveAll(sockets)
}

// Way implements Target.
func (c *Child) Way() Way { return Way{Kind: "child", Digest: attach.Digest(c.Path)} }

// end waits for the process to end; go-plugin ends it, if nobody has. What it started ends with it.
func (c *Child) end() {
	c.client.Kill()
	if c.cmd != nil && c.cmd.Process != nil {
		killGroup(c.cmd)
	}
	c.cc = nil
}
