// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/conformance/internal/tail"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/handshake"
)

const (
	// providerName is the name that a provider under test joins with.
	providerName = "under-test"
	// attachWithin is how long a provider may take to join, and to attach.
	attachWithin = 30 * time.Second
)

// Attached is a target that joins and attaches as on another machine: the suite is the core, and starts the program with
// the command join once, then with attach. What these need is in the environment: RHYZOME_CORE, RHYZOME_TOKEN_FILE,
// RHYZOME_STATE_DIR, RHYZOME_CONFIG (an empty file), RHYZOME_MACHINE_ID. TMPDIR is Dir, since a process that is killed
// removes nothing.
type Attached struct {
	Path    string
	Args    []string  // {} in them stands for the command, which comes last where there is none
	Address string    // HOST:PORT to listen at; port 0 for any
	Dir     string    // for token and identity; it must exist, and is the run's alone
	Stderr  io.Writer // what the program says there; nil for nobody
	// Debug is as of Child.
	Debug func(pid int)

	core *littleCore
	cmd  *exec.Cmd
	cc   grpc.ClientConnInterface
}

// Connect implements Target.
func (a *Attached) Connect(ctx context.Context) (grpc.ClientConnInterface, error) {
	if a.cc != nil {
		return a.cc, nil
	}
	if a.Debug == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, attachWithin)
		defer cancel()
	}
	if a.core == nil {
		if err := a.join(ctx); err != nil {
			return nil, err
		}
	}
	if err := a.start(ctx); err != nil {
		return nil, err
	}
	s, err := a.core.accept(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not attach within %s: %w", a.Path, attachWithin, err), a.kill())
	}
	if a.Debug != nil {
		a.Debug(a.cmd.Process.Pid)
	}
	a.cc = bulky{s}
	return a.cc, nil
}

// join opens the attach port, and lets the program enrol.
func (a *Attached) join(ctx context.Context) error {
	core, err := newLittleCore(ctx, a.Address)
	if err != nil {
		return err
	}
	core.host.Debug = a.Debug != nil
	a.core = core
	if err := os.WriteFile(a.file("token"), []byte(core.token()+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(a.file("provider.yaml"), nil, 0o600); err != nil {
		return err
	}
	var said tail.Tail
	cmd := a.command(ctx, "join")
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	if cmd.Process != nil {
		killGroup(cmd)
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) { // that it left something behind does not matter
		return fmt.Errorf("%s does not join: %w\n%s", a.Path, err, said.String())
	}
	return nil
}

func (a *Attached) start(ctx context.Context) error {
	a.cmd = a.command(context.WithoutCancel(ctx), "attach")
	a.cmd.Stderr = a.Stderr
	return a.cmd.Start()
}

func (a *Attached) command(ctx context.Context, name string) *exec.Cmd {
	var args []string
	placed := false
	for _, arg := range a.Args {
		if arg == "{}" {
			arg, placed = name, true
		}
		args = append(args, arg)
	}
	if !placed {
		args = append(args, name)
	}
	cmd := exec.CommandContext(ctx, a.Path, args...)
	confine(cmd)
	cmd.Cancel = func() error { return kill(cmd) }
	cmd.WaitDelay = drainWithin
	cmd.Env = append(os.Environ(), "RHYZOME_CORE="+a.core.address(), "RHYZOME_TOKEN_FILE="+a.file("token"),
		"RHYZOME_STATE_DIR="+a.file("identity"), "RHYZOME_CONFIG="+a.file("provider.yaml"), "RHYZOME_MACHINE_ID=conformance",
		"TMPDIR="+a.Dir)
	if a.Debug != nil {
		cmd.Env = append(cmd.Env, handshake.DebugVariable+"=true")
	}
	return cmd
}

func (a *Attached) file(name string) string { return filepath.Join(a.Dir, name) }

// Restart implements Target, with SIGKILL.
func (a *Attached) Restart(ctx context.Context) error {
	if err := a.kill(); err != nil {
		return err
	}
	_, err := a.Connect(ctx)
	return err
}

// Close implements Target.
func (a *Attached) Close() error {
	err := a.kill()
	if a.core != nil {
		a.core.close()
		a.core = nil
	}
	return err
}

// Way implements Target.
func (a *Attached) Way() Way { return Way{Kind: "attach", Digest: attach.Digest(a.Path)} }

func (a *Attached) kill() error {
	if a.cmd == nil {
		return nil
	}
	err := kill(a.cmd)
	_ = a.cmd.Wait() // says that it was killed
	a.cmd, a.cc = nil, nil
	return err
}

// bulky sends image content over a session's data connection, as a core does.
type bulky struct{ *attach.Session }

// Invoke implements grpc.ClientConnInterface.
func (b bulky) Invoke(ctx context.Context, method string, req, reply any, o ...grpc.CallOption) error {
	return b.Conn().Invoke(ctx, method, req, reply, o...)
}

// NewStream implements grpc.ClientConnInterface.
func (b bulky) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, o ...grpc.CallOption) (grpc.ClientStream, error) {
	cc := b.Conn()
	if strings.HasSuffix(method, "/PutImage") {
		data, err := b.Data(ctx)
		if err != nil {
			return nil, err
		}
		cc = data
	}
	return cc.NewStream(ctx, desc, method, o...)
}
