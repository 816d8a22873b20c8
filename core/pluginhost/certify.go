// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/pki"
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// renewWithin is how long a provider may take to renew its certificate when it is asked to.
const renewWithin = time.Minute

// serveCore lets a provider ask what attach.ProtocolCore offers.
func (p *port) serveCore(ctx context.Context, conn *tls.Conn) {
	who, err := p.authenticate(ctx, conn)
	if err != nil {
		p.refused(conn, who, err)
		conn.NetConn().Close()
		return
	}
	p.shown(ctx, conn, who)
	p.core.take(visit(conn, who))
}

// shown takes note of the certificate that a provider came with.
func (h *Host) shown(ctx context.Context, conn *tls.Conn, who core.Provider) {
	if err := h.Authority.Shown(ctx, who, conn.ConnectionState().PeerCertificates[0]); err != nil {
		h.Log.Error("cannot record that a provider uses its new certificate", "provider", who.Name, "error", err)
	}
}

// renewAll asks every attached provider whose certificate is not of the CA as it is now to renew it.
func (h *Host) renewAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sessions {
		go s.renewStale()
	}
}

// renewStale asks the provider for a renewal if it should not wait for half of its certificate's life. One that cannot
// is left to that.
func (s *Session) renewStale() {
	if s.link.renew == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, renewWithin)
	defer cancel()
	p, err := s.host.Authority.GetProvider(ctx, s.provider.ID)
	if err == nil && !s.host.Authority.Stale(p) {
		return
	}
	if err == nil {
		err = s.link.renew(ctx)
	}
	if err != nil && s.ctx.Err() == nil && status.Code(err) != codes.Unimplemented {
		s.log.Warn("the provider could not renew its certificate now; it is asked again when it attaches", "error", s.fault(wire.FromStatus(err)))
	}
}

// joiner serves JoinService.
type joiner struct {
	pb.UnimplementedJoinServiceServer
	*Host
}

func (h *Host) joinService(l net.Listener) *service {
	return newService(l.Addr(), func(s *grpc.Server) { pb.RegisterJoinServiceServer(s, joiner{Host: h}) })
}

// Enrol implements JoinService.
func (j joiner) Enrol(ctx context.Context, req *pb.EnrolRequest) (*pb.EnrolResponse, error) {
	e, err := j.Authority.Enrol(ctx, pki.EnrolRequest{
		Secret: req.GetToken(), CertificateRequest: req.GetCertificateRequest(),
		MachineID: req.GetMachineId(), Plugin: req.GetPlugin(), Services: req.GetServices(), Name: req.GetProviderName(),
		Address: remote(ctx),
	})
	if fault.ReasonOf(err) == fault.ApprovalPending { // it asks again and again, and was logged when it came
		return nil, wire.ToStatus(err)
	}
	if err != nil {
		j.Log.Warn("join refused", "address", remote(ctx), "error", err)
		return nil, wire.ToStatus(err)
	}
	return &pb.EnrolResponse{
		CertificateChain: e.Chain, Roots: e.Roots,
		ProviderId: e.Provider.ID, ProviderName: e.Provider.Name, CoreTime: timestamppb.New(j.Now()),
	}, nil
}

// RenewExpired implements JoinService. A copy of the certificate does not renew itself while its provider is attached.
func (j joiner) RenewExpired(ctx context.Context, req *pb.RenewExpiredRequest) (*pb.RenewExpiredResponse, error) {
	e, who, err := j.renewExpired(ctx, req)
	if err != nil {
		j.Log.Warn("renewal refused", "provider", who.Name, "address", remote(ctx), "error", err)
		return nil, wire.ToStatus(err)
	}
	return &pb.RenewExpiredResponse{
		CertificateChain: e.Chain, Roots: e.Roots, CoreTime: timestamppb.New(j.Now()),
	}, nil
}

func (j joiner) renewExpired(ctx context.Context, req *pb.RenewExpiredRequest) (e pki.Enrolment, who core.Provider, err error) {
	cert := caller(ctx).certificate
	if cert == nil {
		return e, who, fault.New(fault.CertRefused, "renewal needs the certificate that expired, in the TLS handshake")
	}
	if who, err = j.Authority.Renewable(ctx, cert); err != nil {
		return e, who, err
	}
	if err := j.sameMachine(ctx, who, clean(req.GetMachineId(), maxID), remote(ctx)); err != nil {
		return e, who, err
	}
	e, err = j.Authority.Renew(ctx, cert, req.GetCertificateRequest())
	return e, who, err
}

// desk serves CoreService.
type desk struct {
	pb.UnimplementedCoreServiceServer
	*Host
}

func (h *Host) coreService(l net.Listener) *service {
	return newService(l.Addr(), func(s *grpc.Server) { pb.RegisterCoreServiceServer(s, desk{Host: h}) })
}

// Renew implements CoreService. The session that the provider has meanwhile lives on with the new certificate.
func (d desk) Renew(ctx context.Context, req *pb.RenewRequest) (*pb.RenewResponse, error) {
	who, cert := caller(ctx).provider, caller(ctx).certificate
	e, err := d.Authority.Renew(ctx, cert, req.GetCertificateRequest())
	if err != nil {
		d.Log.Warn("renewal refused", "provider", who.Name, "address", remote(ctx), "error", err)
		return nil, wire.ToStatus(err)
	}
	if s := d.session(who.ID); s != nil {
		s.renewed(e.Certificate.NotAfter)
	}
	return &pb.RenewResponse{
		CertificateChain: e.Chain, Roots: e.Roots, CoreTime: timestamppb.New(d.Now()),
	}, nil
}

// caller returns the connection that a call came from.
func caller(ctx context.Context) *visitor {
	if p, ok := peer.FromContext(ctx); ok {
		if v, ok := p.AuthInfo.(*visitor); ok {
			return v
		}
	}
	return &visitor{}
}

func remote(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}
