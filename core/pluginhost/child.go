// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// childEnd is how long a child may take to end when it is told to.
const childEnd = 5 * time.Second

// childStart is how long a child may take to say that it serves.
const childStart = 30 * time.Second

// A child that ends soonest, manyLives times in a row, is in a crash loop: it is named, and started rarely.
const (
	soon       = 10 * time.Second
	manyLives  = 5
	crashPause = 30 * time.Second
)

// Child is a program that the core runs as a provider.
type Child struct {
	Path   string          // of the plugin
	SHA256 string          // hexadecimal; empty to start whatever is there
	UID    int             // user and group that it runs as where the core is root; 0 for the core's own
	Env    []string        // besides PATH, HOME and TMPDIR
	Config json.RawMessage // nil for none
}

// KeepChild runs a child, and starts it again whenever it ended, until ctx ends or the provider is revoked: then the
// error is ProviderRevoked. When it returns, the process is gone.
func (h *Host) KeepChild(ctx context.Context, p core.Provider, c Child) error {
	if _, err := c.checksum(); err != nil {
		return err
	}
	if err := h.begin(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := h.keep(p.ID, stop); err != nil {
		return err
	}
	defer h.forget(p.ID)
	if err := h.revoked(ctx, p.ID); err != nil { // before it could be told to stop
		return err
	}
	h.live(ctx, p, c)
	if err := context.Cause(ctx); errors.Is(err, errRevoked) {
		return err
	}
	return nil
}

// keep notes how a child is stopped when its provider is revoked.
func (h *Host) keep(id string, stop context.CancelCauseFunc) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.children[id] != nil {
		return fault.New(fault.Bug, "the provider %s runs already", id)
	}
	h.children[id] = stop
	return nil
}

func (h *Host) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.children, id)
}

func (h *Host) revoked(ctx context.Context, id string) error {
	return h.Store.View(ctx, func(tx core.Tx) error { return core.NotRevoked(tx, id) })
}

// live is one life of a child after the other.
func (h *Host) live(ctx context.Context, p core.Provider, c Child) {
	var (
		pause attach.Backoff
		short int // lives in a row
	)
	for ctx.Err() == nil {
		started := time.Now()
		words, err := h.runChild(ctx, p, c)
		if ctx.Err() != nil {
			return
		}
		h.Log.Error("a provider's process ended", "provider", p.Name, "path", c.Path, "error", err, "last", words)
		lived := time.Since(started)
		pause.Lived(lived)
		if short++; lived >= soon {
			short = 0
		}
		if short < manyLives {
			pause.Wait(ctx)
			continue
		}
		h.crashing(ctx, p, fmt.Sprintf("its process ended %d times in a row soon after its start; its last words: %q; %v", short, words, err))
		select {
		case <-time.After(crashPause):
		case <-ctx.Done():
		}
	}
}

func (h *Host) crashing(ctx context.Context, p core.Provider, message string) {
	if err := h.Observer.Seen(ctx, p.ID, core.ProviderCrashing, clean(message, maxText)); err != nil && ctx.Err() == nil {
		h.Log.Error("cannot record that a provider is in a crash loop", "provider", p.Name, "error", err)
	}
}

// runChild is one life of a child. It returns what the child wrote last, and why it ended.
func (h *Host) runChild(ctx context.Context, p core.Provider, c Child) (words string, err error) {
	last := &tail{}
	defer func() { words = last.words() }()
	home, err := newCell(c.UID)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, home.close()) }()
	client, err := c.start(home, last)
	if err != nil {
		return "", err
	}
	done := make(chan struct{})
	s := h.newSession(p, link{
		client: client.contract, done: done, address: "child", way: core.WayChild,
		data: func(context.Context) (*wire.Client, error) { return client.contract, nil },
		close: sync.OnceFunc(func() {
			close(done)
			client.end()
		}),
	})
	if c.Config != nil {
		s.config = c.Config
	}
	return "", h.run(ctx, s)
}

// child is a process that serves.
type child struct {
	cmd      *exec.Cmd
	process  *plugin.Client
	contract *wire.Client
}

// end ends the process, and what it left. What the process started may hold its output open, for which go-plugin would
// wait for ever: it is killed when the process has had its time.
func (c child) end() {
	late := time.AfterFunc(childEnd, func() { killGroup(c.cmd) })
	c.process.Kill()
	late.Stop()
	killGroup(c.cmd)
}

// start starts the process. It lives until it is told to stop, as a child may finish its work.
func (c Child) start(home *cell, last *tail) (child, error) {
	checksum, err := c.checksum()
	if err != nil {
		return child{}, err
	}
	if err := home.take(c.Path); err != nil {
		return child{}, err
	}
	started := child{cmd: home.command(c.Env)}
	started.process = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: handshake.Config(), VersionedPlugins: handshake.Plugins(nil),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, GRPCDialOptions: attach.ClientOptions(),
		Cmd: started.cmd, SkipHostEnv: true, AutoMTLS: true, SecureConfig: checksum, StartTimeout: childStart,
		Logger: hclog.NewNullLogger(), Stderr: last,
	})
	if started.contract, err = dispense(started.process); err != nil {
		killGroup(started.cmd)
		started.end()
		return child{}, err
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
