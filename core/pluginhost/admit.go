// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"crypto/tls"
	"errors"
	"regexp"
	"slices"

	"github.com/rhyzome/rhyzome/core"
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/handshake"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// versions of the contract that this core speaks.
var versions = []int{handshake.ProtocolVersion}

// acceptProvider holds a provider's connection until it ends. entered tells that its handshake is over.
func (p *port) acceptProvider(ctx context.Context, conn *tls.Conn, entered func()) {
	who, authErr := p.authenticate(ctx, conn)
	attached, err := attach.Accept(conn, func(hello attach.Hello) (attach.Welcome, error) {
		welcome, err := p.welcome(hello, who, authErr)
		if err == nil {
			err = p.sameMachine(ctx, who, cleanHello(hello).MachineID, conn.RemoteAddr().String())
		}
		return welcome, err
	})
	entered()
	if err != nil {
		p.refused(conn, who, err)
		return
	}
	hello := cleanHello(attached.Hello)
	p.shown(ctx, conn, who)
	p.tellDebug(who, attached)
	certificates := pb.NewCertificateServiceClient(attached.Conn())
	s := p.newSession(who, link{
		renew: func(ctx context.Context) error {
			_, err := certificates.RenewCertificate(ctx, &pb.RenewCertificateRequest{})
			return err
		},
		check: func(ctx context.Context) error {
			_, err := p.authenticate(ctx, conn)
			return err
		},
		client: wire.NewClient(attached.Conn()), alive: attached.Context(), close: attached.Close,
		way: core.WayAttached, debug: attached.Debugged(), address: conn.RemoteAddr().String(), digest: hello.Digest, machineID: hello.MachineID, processID: hello.ProcessID, dialled: hello.Core,
		addData: attached.SetData,
		data: func(ctx context.Context) (*wire.Client, error) {
			cc, err := attached.Data(ctx)
			if err != nil {
				return nil, err
			}
			return wire.NewClient(cc), nil
		},
	})
	s.renewed(conn.ConnectionState().PeerCertificates[0].NotAfter)
	_ = p.run(ctx, s) // it has logged why it ended
}

// tellDebug logs that a provider wants deadlines to be suspended, and what became of it.
func (p *port) tellDebug(who core.Provider, s *attach.Session) {
	switch {
	case s.Debugged():
		p.Log.Info("deadlines are suspended for a provider's debugger", "provider", who.Name)
	case s.Hello.Debug:
		p.Log.Warn("a provider asks to suspend deadlines for a debugger, which only rhyzome server --dev does", "provider", who.Name)
	}
}

// acceptData pairs a data connection with the session of the same process.
func (p *port) acceptData(ctx context.Context, conn *tls.Conn) {
	who, authErr := p.authenticate(ctx, conn)
	data, err := attach.AcceptData(conn, dataIdle, func(hello attach.Hello) (attach.Welcome, error) {
		welcome, err := p.welcome(hello, who, authErr)
		if err == nil && p.sessionOf(who, hello) == nil {
			err = fault.New(fault.ProviderAway, "this process is not attached")
		}
		return welcome, err
	})
	if err != nil {
		p.Log.Debug("data connection refused", "address", conn.RemoteAddr(), "provider", who.Name, "error", err)
		return
	}
	if s := p.sessionOf(who, data.Hello); s != nil {
		s.link.addData(data)
		return
	}
	data.Close()
}

func (p *port) sessionOf(who core.Provider, hello attach.Hello) *Session {
	if s := p.session(who.ID); s != nil && s.link.processID == cleanHello(hello).ProcessID {
		return s
	}
	return nil
}

// authenticate says whose certificate a connection came with. On one that the core made it must be whose address that is.
func (p *port) authenticate(ctx context.Context, conn *tls.Conn) (core.Provider, error) {
	who, err := p.Authority.Authenticate(ctx, conn.ConnectionState().PeerCertificates[0])
	if d, ok := conn.NetConn().(*dialled); ok && err == nil && who.ID != d.provider.ID {
		err = fault.New(fault.CertRefused, "at %s should be provider %s, and %s is", d.provider.DialAddress, d.provider.Name, who.Name)
	}
	return who, err
}

// welcome admits a provider, or says why not.
func (p *port) welcome(hello attach.Hello, who core.Provider, authErr error) (attach.Welcome, error) {
	hello = cleanHello(hello)
	welcome := attach.Welcome{CoreTime: p.Now(), HeartbeatMS: p.heartbeat().Milliseconds()}
	if authErr != nil {
		return welcome, authErr
	}
	if hello.Provider != who.Name {
		return welcome, fault.New(fault.CertRefused, "the certificate is of provider %s, and %q came with it", who.Name, hello.Provider)
	}
	version, err := attach.Negotiate(versions, hello.Versions)
	if err != nil {
		return welcome, err
	}
	welcome.Version, welcome.Debug = version, p.Debug && hello.Debug
	return welcome, p.alone(who, hello)
}

// alone refuses a second way to this core while the first is in use. The same process on the same way may come anew: its
// connection was lost, and the core has not noticed yet.
func (p *port) alone(who core.Provider, hello attach.Hello) error {
	s := p.session(who.ID)
	if s == nil || s.link.machineID != hello.MachineID || s.link.processID != hello.ProcessID || s.link.dialled == hello.Core {
		return nil
	}
	return fault.New(fault.AttachedAlready, "this core is attached by way of %s: %s stands by", s.link.dialled, hello.Core)
}

// sameMachine refuses a machine that has a copy of a provider's certificate, while the provider is attached from another
// or an operator let another take its place. Operators see it at the provider.
func (h *Host) sameMachine(ctx context.Context, who core.Provider, machine, address string) error {
	if slices.Contains(who.Status.ReplacedMachines, machine) {
		return fault.New(fault.MachineConflict, "an operator let another machine take the place of this one as provider %s", who.Name)
	}
	s := h.session(who.ID)
	if s == nil || s.link.machineID == machine {
		return nil
	}
	err := fault.New(fault.MachineConflict,
		"provider %s is attached from machine %s (%s), and this is machine %s: a certificate is for one machine",
		who.Name, s.link.machineID, s.link.address, machine)
	return errors.Join(err, h.Authority.Contest(ctx, who.ID, core.Contest{
		MachineID: machine, Address: address, Cloned: true, Message: "a second machine has the provider's certificate",
	}))
}

// refused logs why a provider was not admitted. The name is that of its certificate; empty if that is not ours.
func (p *port) refused(conn *tls.Conn, who core.Provider, err error) {
	p.Log.Warn("provider refused", "provider", who.Name, "address", conn.RemoteAddr(),
		"subject", clean(conn.ConnectionState().PeerCertificates[0].Subject.CommonName, maxName),
		"reason", fault.ReasonOf(err), "error", err)
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func cleanHello(h attach.Hello) attach.Hello {
	h.Provider, h.MachineID, h.ProcessID = clean(h.Provider, maxName), clean(h.MachineID, maxID), clean(h.ProcessID, maxID)
	h.Core = clean(h.Core, maxName)
	h.Plugin, h.PluginVersion, h.SDK = clean(h.Plugin, maxName), clean(h.PluginVersion, maxName), clean(h.SDK, maxName)
	if !hexDigest.MatchString(h.Digest) {
		h.Digest = ""
	}
	if len(h.Versions) > maxList {
		h.Versions = h.Versions[:maxList]
	}
	return h
}
