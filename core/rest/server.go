// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// NewServer returns a server for the handler, with limits against clients that are slow on purpose; uploads and event
// streams extend theirs as long as they move. Shutdown ends the event streams.
func NewServer(handler http.Handler, config *tls.Config, log *slog.Logger) *http.Server {
	ending := make(chan struct{})
	s := &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // handshakes of strangers, mostly
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), stoppingKey{}, (<-chan struct{})(ending))
		},
	}
	s.RegisterOnShutdown(sync.OnceFunc(func() { close(ending) }))
	return s
}

type stoppingKey struct{}

// stopping is closed when the server of the request shuts down.
func stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return c
}
