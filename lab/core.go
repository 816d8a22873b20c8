// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/machine"
)

// makeCore starts the core with a REST socket on the real machine's loopback, the only thing outside the namespaces.
func (l *Lab) makeCore(ctx context.Context, nets segments) error {
	m, err := machine.Start(ctx, l.spec(coreName))
	if err != nil {
		return err
	}
	for segment, at := range map[*fabric.Segment]struct {
		name      string
		addresses []netip.Prefix
	}{nets.wan: {"wan0", coreOnWAN}, nets.mgmt: {"mgmt0", coreOnMgmt}} {
		if err := segment.Connect(m, at.name); err != nil {
			return err
		}
		if err := m.Address(at.name, at.addresses...); err != nil {
			return err
		}
	}
	socket, address, err := loopback(ctx)
	if err != nil {
		return err
	}
	defer socket.Close()
	l.record.URL = "https://" + address
	if err := l.record.write(l.Dir); err != nil {
		return err
	}
	if err := l.StartCore(ctx, nil, socket); err != nil {
		return err
	}
	if err := l.connect(ctx); err != nil {
		return err
	}
	if err := l.writeContexts(); err != nil {
		return err
	}
	l.Progress.Say("REST at %s", l.record.URL)
	return l.makeFabric(ctx)
}

// StartCore starts the core's process in its machine. The socket is the REST API's; env is added to its environment.
func (l *Lab) StartCore(ctx context.Context, env []string, socket *os.File) error {
	m, err := l.Machine(ctx, coreName)
	if err != nil {
		return err
	}
	return m.StartService(ctx, machine.Service{
		Name: coreService, Respawn: true, Env: env,
		Args: []string{
			l.bin("rhyzome"), "server", "--state-dir", filepath.Join(l.dir(coreName), "state"),
			"--attach-listen", ":" + attachPort, "--advertise", net.JoinHostPort(coreOnMgmt[0].Addr().String(), attachPort),
		},
	}, socket)
}

// RestartCore ends the core's process and starts it again at the same address, with env added to its environment.
func (l *Lab) RestartCore(ctx context.Context, env ...string) error {
	m, err := l.Machine(ctx, coreName)
	if err != nil {
		return err
	}
	if err := m.StopService(ctx, coreService); err != nil {
		return err
	}
	socket, _, err := listenAt(ctx, strings.TrimPrefix(l.record.URL, "https://"))
	if err != nil {
		return err
	}
	defer socket.Close()
	if err := l.StartCore(ctx, env, socket); err != nil {
		return err
	}
	return l.connect(ctx)
}

// loopback opens the REST socket: the usual port if it is free, any other if not.
func loopback(ctx context.Context) (socket *os.File, address string, err error) {
	if socket, address, err = listenAt(ctx, "127.0.0.1:8443"); err == nil {
		return socket, address, nil
	}
	return listenAt(ctx, "127.0.0.1:0")
}

// listenAt opens a listening socket to hand over.
func listenAt(ctx context.Context, address string) (*os.File, string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, "", err
	}
	at := listener.Addr().String()
	socket, err := listener.(*net.TCPListener).File() // a copy: the listener's own is closed
	return socket, at, errors.Join(err, listener.Close())
}
