// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// EnrolRequest redeems a join token.
type EnrolRequest struct {
	Secret             string // the token's
	CertificateRequest []byte // PKCS #10 in DER; only its key is used
	MachineID          string
	Plugin             string
	Services           []string // that the plugin offers; none if it does not say
	Name               string   // that the token has to be for; empty for whichever it is
	Address            string   // where the request came from
}

// Enrolment is what a provider needs to attach.
type Enrolment struct {
	Provider    core.Provider
	Certificate *x509.Certificate
	Chain       [][]byte // the certificate, and what vouches for it below the root, in DER
	Roots       [][]byte // to trust, in DER
}

var (
	machineID  = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
)

// Enrol exchanges a join token for a certificate, once: TokenInvalid, TokenExpired, TokenMismatch, TokenUsed. The key
// that redeemed a token may come again with it until it expires, in case the answer was lost; another key makes the
// provider contested. Where the token requires approval the key is only noted, ApprovalPending, and the same request is
// to be repeated.
func (a *Authority) Enrol(ctx context.Context, req EnrolRequest) (Enrolment, error) {
	csr, err := parseRequest(req.CertificateRequest)
	if err != nil {
		return Enrolment{}, err
	}
	if err := checkEnrol(req); err != nil {
		return Enrolment{}, err
	}
	key, err := attach.KeyFingerprint(csr.PublicKey)
	if err != nil {
		return Enrolment{}, fault.Invalid("/certificate_request", "%v", err)
	}
	var (
		out   Enrolment
		token core.JoinToken
		fresh bool
	)
	err = a.store.Update(ctx, func(tx core.Tx) (err error) {
		out = Enrolment{}
		now := a.now()
		if token, err = find(tx, req.Secret); err != nil {
			return err
		}
		p, err := tx.Providers().Get(token.Provider)
		if err != nil {
			return err
		}
		if err := redeemable(token, p, req, key, now); err != nil {
			return err
		}
		if fresh = token.UsedAt == nil; fresh {
			token.UsedAt, token.Key = &now, key
			if err := tx.RedeemToken(token); err != nil {
				return err
			}
		}
		if token.RequireApproval && token.ApprovedAt == nil {
			return a.askApproval(tx, p, req, key, fresh)
		}
		out, err = a.admit(tx, p, token, req, csr)
		return err
	})
	switch {
	case fault.ReasonOf(err) == fault.TokenUsed:
		return Enrolment{}, errors.Join(err, a.Contest(ctx, token.Provider, core.Contest{
			MachineID: req.MachineID, Address: req.Address, Message: "a join token that was used before was tried again, with another key",
		}))
	case err != nil:
		return Enrolment{}, err
	case out.Certificate == nil:
		return Enrolment{}, fault.New(fault.ApprovalPending, "an operator has to approve the key %s first", key)
	}
	a.log.Info("provider joined", "provider", out.Provider.Name, "plugin", req.Plugin, "machine", req.MachineID, "key", key)
	if fresh || token.RequireApproval {
		a.disconnect(out.Provider.ID, "it joined anew")
	}
	return out, nil
}

// redeemable says whether a key may have what the token admits.
func redeemable(token core.JoinToken, p core.Provider, req EnrolRequest, key string, now time.Time) error {
	if token.UsedAt != nil && token.Key != key {
		return fault.New(fault.TokenUsed, "the join token was redeemed at %s", token.UsedAt.Format(time.RFC3339))
	}
	until := token.ExpiresAt
	if token.RequireApproval && token.UsedAt != nil { // an operator takes the time that it takes
		until = now.Add(tokenLife)
		if token.ApprovedAt != nil {
			until = token.ApprovedAt.Add(tokenLife)
		}
	}
	if !now.Before(until) {
		return fault.New(fault.TokenExpired, "the join token expired at %s", until.Format(time.RFC3339))
	}
	if req.Name != "" && req.Name != p.Name {
		return fault.New(fault.TokenMismatch, "the join token is for another provider than %s", req.Name)
	}
	for _, s := range token.Services {
		if len(req.Services) > 0 && !slices.Contains(req.Services, s) {
			return fault.New(fault.TokenMismatch, "the join token is for a provider that serves %s, and the plugin %s serves %s",
				strings.Join(token.Services, " and "), req.Plugin, strings.Join(req.Services, " and "))
		}
	}
	return nil
}

// admit makes the machine that redeemed the token the provider. Certificates from before are refused from now on.
func (a *Authority) admit(
	tx core.Tx, p core.Provider, token core.JoinToken, req EnrolRequest, csr *x509.CertificateRequest,
) (Enrolment, error) {
	now := a.now()
	again := p.Status.KeyFingerprint == token.Key && p.Status.JoinedAt != nil && !p.Status.JoinedAt.Before(*token.UsedAt)
	if !again {
		p.Status.JoinedAt = &now
		p.Status.Contested, p.Status.ReplacedMachines = nil, nil
	}
	p.Status.Approval = nil
	p.Status.Plugin, p.Status.MachineID = req.Plugin, req.MachineID
	if p.Status.AdmittedServices = token.Services; len(token.Services) == 0 {
		p.Status.AdmittedServices = req.Services
	}
	out, err := a.certify(tx, p, csr, now)
	if err != nil || again {
		return out, err
	}
	return out, a.emit(tx, "provider.joined", p, "")
}

// Renew gives a provider its next certificate for one that is in force, or expired within the last 90 days: the faults of
// Authenticate otherwise. That the peer holds the key is for TLS to prove.
func (a *Authority) Renew(ctx context.Context, cert *x509.Certificate, certificateRequest []byte) (Enrolment, error) {
	csr, err := parseRequest(certificateRequest)
	if err != nil {
		return Enrolment{}, err
	}
	var out Enrolment
	err = a.store.Update(ctx, func(tx core.Tx) error {
		p, err := a.identify(tx, cert, renewalLife)
		if err != nil {
			return err
		}
		out, err = a.certify(tx, p, csr, a.now())
		return err
	})
	if err != nil {
		return Enrolment{}, err
	}
	a.log.Info("certificate renewed", "provider", out.Provider.Name, "expires", out.Certificate.NotAfter)
	return out, nil
}

// certify signs the certificate and records what it is.
func (a *Authority) certify(tx core.Tx, p core.Provider, csr *x509.CertificateRequest, now time.Time) (Enrolment, error) {
	c := a.ca.Load()
	cert, err := c.provider(p, csr, now)
	if err != nil {
		return Enrolment{}, err
	}
	p.Status.Certificate = &core.ProviderCertificate{Serial: serial(cert), Issuer: fingerprint(c.cert), Roots: c.fingerprints()}
	if p.Status.KeyFingerprint, err = attach.KeyFingerprint(cert.PublicKey); err != nil {
		return Enrolment{}, err
	}
	p.Status.CertExpires = &cert.NotAfter
	p.UpdatedAt = now
	out := Enrolment{Provider: p, Certificate: cert, Chain: c.chain(cert)}
	for _, root := range c.trusted() {
		out.Roots = append(out.Roots, root.Raw)
	}
	return out, tx.Providers().Update(p)
}

// find returns the token that a secret belongs to; TokenInvalid if there is none.
func find(tx core.Tx, secret string) (core.JoinToken, error) {
	id, _, ok := strings.Cut(secret, secretSeparator)
	if !ok || !core.LooksLikeID(id) {
		return core.JoinToken{}, fault.New(fault.TokenInvalid, "the join token is damaged: copy the whole of it")
	}
	token, err := tx.JoinTokens().Get(id)
	if fault.ReasonOf(err) == fault.UnknownResource || err == nil && !matches(token, secret) {
		return core.JoinToken{}, fault.New(fault.TokenInvalid,
			"this core knows no such join token: a newer one took its place, or its provider was deleted")
	}
	return token, err
}

func checkEnrol(req EnrolRequest) error {
	var all []*fault.Error
	if !machineID.MatchString(req.MachineID) {
		all = append(all, fault.Invalid("/machine_id", "use 1 to 128 of A-Z, a-z, 0-9 and ._:-"))
	}
	if !pluginName.MatchString(req.Plugin) {
		all = append(all, fault.Invalid("/plugin", "use 1 to 63 of a-z, 0-9 and -, beginning with a letter"))
	}
	all = append(all, checkServices(req.Services)...)
	return fault.Join(all...)
}

// parseRequest checks that whoever asks for a certificate holds its key, and that the key is a strong one.
func parseRequest(der []byte) (*x509.CertificateRequest, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, fault.Invalid("/certificate_request", "it is not a signed PKCS #10 request in DER")
	}
	switch key := csr.PublicKey.(type) {
	case ed25519.PublicKey:
		return csr, nil
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize >= 256 {
			return csr, nil
		}
	}
	return nil, fault.Invalid("/certificate_request", "use an ECDSA key of 256 bits or more, or Ed25519")
}
