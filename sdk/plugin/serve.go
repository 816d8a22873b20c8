// SPDX-License-Identifier: Apache-2.0

// Package plugin makes a program of a provider:
//
//	func main() { plugin.Serve(mine.New()) }
//
// Started by a core, the program serves as its child. Started by hand, it has a command line: join enrols the machine
// with a token, attach dials the core and serves it from anywhere, check tries the configuration.
//
// An author logs with slog.Default(): it goes to stderr, and to the core that watches.
package plugin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Version of the SDK, and of what is released with it. It is set when linking.
var Version = "0.0.0-dev"

// closeWithin is how long work may take to notice that the process ends.
const closeWithin = 5 * time.Second

// Serve runs the provider as this process, and ends it.
func Serve(p provider.Provider) {
	if err := engine.Check(p); err != nil {
		fmt.Fprintf(os.Stderr, "this provider cannot be served:\n%v\n", err)
		os.Exit(1)
	}
	if cookie := handshake.Config(); os.Getenv(cookie.MagicCookieKey) == cookie.MagicCookieValue {
		serveChild(p)
		os.Exit(0)
	}
	os.Exit(run(context.Background(), p, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// serveChild serves the core that started this process, until it is told to stop.
func serveChild(p provider.Provider) {
	debug, err := new(program).debug()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	e := newEngine(p, os.Stderr, slog.LevelInfo, debug)
	defer closeEngine(e)
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  handshake.Config(),
		VersionedPlugins: handshake.Plugins(e),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(attach.ServerOptions(debug), options...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr}),
	})
}

// newEngine returns the engine of this process, and makes its log everybody's.
func newEngine(p provider.Provider, stderr io.Writer, level slog.Level, debug bool) *engine.Engine {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	e := engine.New(p, engine.Options{Logger: log, Debug: debug})
	slog.SetDefault(e.Logger())
	return e
}

func closeEngine(e *engine.Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		e.Logger().Warn("some work did not stop in time", "error", err)
	}
}
