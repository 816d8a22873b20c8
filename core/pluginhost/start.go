// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// childEnd is how long a child may take to end when it is told to.
const childEnd = 5 * time.Second

// childStart is how long a child may take to say that it serves.
const childStart = 30 * time.Second

// child is a process that serves.
type child struct {
	kill     context.CancelFunc
	process  *plugin.Client
	contract *wire.Client
}

// end ends the process, and what it left: by force when it has had its time.
func (c child) end() {
	late := time.AfterFunc(childEnd, c.kill)
	c.process.Kill()
	late.Stop()
	c.kill()
}

// start starts the process; the end of ctx breaks that off. Once it serves, it lives until it is told to stop, as a child
// may finish its work.
func (c Child) start(ctx context.Context, home *cell, last *tail, debug bool) (child, error) {
	checksum, err := c.checksum()
	if err != nil {
		return child{}, err
	}
	if err := home.take(c.Path); err != nil {
		return child{}, err
	}
	if err := home.verify(checksum); err != nil {
		return child{}, err
	}
	env := c.Env
	if debug {
		env = append(slices.Clone(env), handshake.DebugVariable+"=true")
	}
	life, kill := context.WithCancel(context.WithoutCancel(ctx))
	started := child{kill: kill}
	var own *program
	serves := context.AfterFunc(ctx, kill)
	started.process = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: handshake.Config(), VersionedPlugins: handshake.Plugins(nil),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, GRPCDialOptions: attach.ClientOptions(debug),
		SkipHostEnv: true, AutoMTLS: true, StartTimeout: childStart, Logger: hclog.NewNullLogger(), Stderr: last,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: home.dir},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (runner.Runner, error) {
			own = newProgram(home.command(life, append(spec.Env, env...)))
			return own, nil
		},
	})
	started.contract, err = dispense(started.process)
	if !serves() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		kill()
		started.end()
		return child{}, own.why(err)
	}
	return started, nil
}

func dispense(process *plugin.Client) (*wire.Client, error) {
	protocol, err := process.Client()
	if err != nil {
		return nil, err
	}
	raw, err := protocol.Dispense(handshake.Name)
	if err != nil {
		return nil, err
	}
	contract, ok := raw.(*wire.Client)
	if !ok {
		return nil, fault.New(fault.VersionMismatch, "the plugin is a %T", raw)
	}
	return contract, nil
}

// checksum returns what go-plugin compares the plugin with; nil for nothing.
func (c Child) checksum() (*plugin.SecureConfig, error) {
	if c.SHA256 == "" {
		return nil, nil
	}
	sum, err := hex.DecodeString(c.SHA256)
	if err != nil || len(sum) != sha256.Size {
		return nil, fault.Invalid("/sha256", "%q is not a SHA-256 in hexadecimal", c.SHA256)
	}
	return &plugin.SecureConfig{Checksum: sum, Hash: sha256.New()}, nil
}

const maxTail = 4 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - maxTail; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// maxWords is how many bytes of a child's last words are shown.
const maxWords = 500

// words returns the end of what was kept, for one line of a log.
func (t *tail) words() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.text
	if extra := len(text) - maxWords; extra > 0 {
		text = text[extra:]
	}
	return clean(strings.Join(strings.Fields(string(text)), " "), maxWords)
}
