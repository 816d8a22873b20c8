// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// HealthService is the service that grpc.health.v1 knows a provider by; it is go-plugin's name too.
const HealthService = "plugin"

// dial connects to one core and shows the Hello. Its errors are faults: CoreAway, or why the core refused; then the
// Welcome holds the core's time all the same.
func dial(ctx context.Context, address string, config *tls.Config, hello Hello) (net.Conn, Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, err := dialTLS(ctx, address, config)
	if err != nil {
		return nil, Welcome{}, err
	}
	welcome, err := greet(ctx, conn, hello)
	if err != nil {
		conn.Close()
		return nil, welcome, explain(err)
	}
	return conn, welcome, nil
}

// dialTLS makes a connection to the core at address; or takes one that the core made, see Inbound.
func dialTLS(ctx context.Context, address string, config *tls.Config) (net.Conn, error) {
	if in, ok := ctx.Value(inboundKey{}).(*Inbound); ok {
		return in.dial(ctx, config)
	}
	raw, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, explain(err)
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, explain(err)
	}
	return conn, nil
}

// greet exchanges the frames.
func greet(ctx context.Context, conn net.Conn, hello Hello) (Welcome, error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return Welcome{}, err
	}
	if err := writeFrame(conn, hello); err != nil {
		return Welcome{}, err
	}
	var welcome Welcome
	if err := readFrame(conn, &welcome); err != nil {
		return Welcome{}, err
	}
	if r := welcome.Error; r != nil {
		return welcome, fault.New(r.Reason, "%s", r.Message)
	}
	return welcome, settle(conn, Debugged(hello, welcome))
}

// settle ends the deadlines of the handshake. From then on, a peer that acknowledges nothing is lost; unless a debugger
// may have stopped it.
func settle(conn net.Conn, debug bool) error {
	if debug {
		return conn.SetDeadline(time.Time{})
	}
	return errors.Join(conn.SetDeadline(time.Time{}), setUserTimeout(conn))
}

// end stops a server when the calls that run have been answered, but within a time.
func end(server *grpc.Server, within time.Duration) {
	late := time.AfterFunc(within, server.Stop)
	defer late.Stop()
	server.GracefulStop()
}

// serve answers the core's calls on the connection until it, or ctx, ends. data is nil on a data connection.
func (d *Dialer) serve(ctx context.Context, conn net.Conn, welcome Welcome, data *dataService) error {
	server := grpc.NewServer(append(ServerOptions(Debugged(d.Hello, welcome)), d.Options...)...)
	d.Register(server)
	if data != nil {
		pb.RegisterDataServiceServer(server, data)
	}
	checks := health.NewServer()
	checks.SetServingStatus(HealthService, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, checks)
	live := newLiveConn(conn)
	defer func() { _ = live.Close() }() // which the server did, unless it ended before it began
	defer server.Stop()
	stop := context.AfterFunc(ctx, func() { end(server, d.Linger) })
	defer stop()
	if err := server.Serve(newOneConn(live)); ctx.Err() == nil {
		return fault.New(fault.CoreAway, "the connection to the core was lost: %w", err)
	}
	return ctx.Err()
}
