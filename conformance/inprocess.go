// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// bufferSize of the connection in memory.
const bufferSize = 1 << 20

// InProcess returns a target that serves, in this process, what newProvider returns. It is called for the first start
// and for each restart: every value that it returns must stand on the same backend.
func InProcess(newProvider func() provider.Provider, o engine.Options, dial ...grpc.DialOption) Target {
	return &inProcess{newProvider: newProvider, options: o, dial: dial}
}

type inProcess struct {
	newProvider func() provider.Provider
	options     engine.Options
	dial        []grpc.DialOption

	engine *engine.Engine
	server *grpc.Server
	cc     *grpc.ClientConn
	served chan error
}

// Connect implements Target.
func (p *inProcess) Connect(context.Context) (grpc.ClientConnInterface, error) {
	if p.cc != nil {
		return p.cc, nil
	}
	listener := bufconn.Listen(bufferSize)
	options := append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
	}, p.dial...)
	cc, err := grpc.NewClient("passthrough:///in-process", options...)
	if err != nil {
		return nil, err
	}
	p.cc = cc
	p.engine = engine.New(p.newProvider(), p.options)
	p.server = grpc.NewServer()
	p.engine.Register(p.server)
	p.served = make(chan error, 1)
	go func(server *grpc.Server, served chan<- error) {
		err := server.Serve(listener)
		if errors.Is(err, grpc.ErrServerStopped) {
			err = nil // stopped before it began
		}
		served <- err
	}(p.server, p.served)
	return cc, nil
}

// Restart implements Target. Work that runs is stopped where it is, as the end of a process would.
func (p *inProcess) Restart(ctx context.Context) error {
	if err := p.stop(ctx); err != nil {
		return err
	}
	_, err := p.Connect(ctx)
	return err
}

// Close implements Target.
func (p *inProcess) Close() error { return p.stop(context.Background()) }

// Way implements Target.
func (p *inProcess) Way() Way { return Way{Kind: "in-process"} }

func (p *inProcess) stop(ctx context.Context) error {
	if p.cc == nil {
		return nil
	}
	p.server.Stop()
	err := <-p.served
	if closeErr := p.engine.Close(ctx); err == nil {
		err = closeErr
	}
	if closeErr := p.cc.Close(); err == nil {
		err = closeErr
	}
	p.cc = nil
	return err
}
