// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net/url"
	"path/filepath"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// RequestCA returns what a root that is kept elsewhere has to sign. The key stays here, and is the same until its
// certificate is installed.
func (a *Authority) RequestCA(context.Context) (core.CARequest, error) {
	a.rotating.Lock()
	defer a.rotating.Unlock()
	out, err := request(a.dir, a.ca.Load().cloud)
	if err != nil {
		return out, notWritten(err)
	}
	return out, nil
}

func request(dir, cloud string) (core.CARequest, error) {
	file := filepath.Join(dir, fileRequestKey)
	key, err := readKey(file)
	if err != nil {
		return core.CARequest{}, err
	}
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return core.CARequest{}, err
		}
		if err := writeKey(file, key); err != nil {
			return core.CARequest{}, err
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: intermediateName(cloud)}, URIs: []*url.URL{spiffe(cloud, "")},
	}, key)
	if err != nil {
		return core.CARequest{}, err
	}
	shown, err := attach.KeyFingerprint(key.Public())
	return core.CARequest{
		Cloud: cloud, KeyFingerprint: shown,
		CertificateRequest: string(pem.EncodeToMemory(&pem.Block{Type: blockRequest, Bytes: der})),
	}, err
}

func intermediateName(cloud string) string { return "Rhyzome intermediate CA " + cloud }

// InstallCA takes what a root signed for the key of RequestCA, in PEM, with the root behind it. Under a root that is the
// one in use it signs at once, and the phase is switched: certificates of what signed before are good until the next
// RotateCA. A new root is first given to everybody: spreading. InvalidField if it cannot sign for this cloud; BadState
// without a request, or while another rotation is under way.
func (a *Authority) InstallCA(ctx context.Context, certificates string) (core.CA, error) {
	a.rotating.Lock()
	defer a.rotating.Unlock()
	c := a.ca.Load()
	if c.phase() != core.CASteady {
		return core.CA{}, fault.New(fault.BadState, "a rotation is under way (%s): end it first, with rhyzome ca rotate", c.phase())
	}
	key, err := readKey(filepath.Join(a.dir, fileRequestKey))
	if err != nil {
		return core.CA{}, notWritten(err)
	}
	if key == nil {
		return core.CA{}, fault.New(fault.BadState, "no request waits for this: make one with rhyzome ca request, and let the root sign it")
	}
	signs, err := parseIssuer([]byte(certificates))
	if err != nil {
		return core.CA{}, fault.Invalid("/certificates", "it %v", err)
	}
	if err := usable(&ca{cloud: c.cloud, issuer: signs, key: key}, a.now()); err != nil {
		return core.CA{}, err
	}
	next, err := c.install(a.dir, signs, key)
	if err != nil {
		return core.CA{}, notWritten(err)
	}
	return a.adopt(ctx, next, false)
}

// install makes an issuer the next one, and lets it sign where everybody trusts its root already.
func (c *ca) install(dir string, signs *issuer, key crypto.Signer) (*ca, error) {
	next, err := c.spread(dir, signs, key)
	if err != nil {
		return nil, err
	}
	if err := remove(dir, fileRequestKey); err != nil {
		return nil, err
	}
	if !signs.root.Equal(c.root) {
		return next, nil
	}
	return next.change(dir)
}

// usable says why a CA could not sign for its cloud; it signs for a core and a provider to see.
func usable(c *ca, now time.Time) error {
	refuse := func(format string, args ...any) error { return fault.Invalid("/certificates", format, args...) }
	switch {
	case !c.offline():
		return refuse("only the root is in it: it needs what the root signed (rhyzome ca sign), and behind it the root")
	case !belong(c.cert, c.key):
		return refuse("what signs is of another key than that of the request: let the root sign what rhyzome ca request prints")
	case !ofCloud(c.cert, c.cloud) || !ofCloud(c.root, c.cloud):
		return refuse("it is of the cloud %v under a root of %v, and this is spiffe://%s", c.cert.URIs, c.root.URIs, c.cloud)
	case !c.cert.MaxPathLenZero:
		return refuse("what signs may make other CAs: its path length has to be 0")
	case now.Before(c.cert.NotBefore), now.Before(c.root.NotBefore):
		return refuse("it is not valid yet: here it is %s; check the clock of the root's machine, and this one", now.Format(time.RFC3339))
	}
	server, err := c.server([]string{attach.ServerName}, now)
	if err == nil {
		err = c.verify(server.Leaf, x509.VerifyOptions{CurrentTime: now, DNSName: attach.ServerName})
	}
	if err != nil {
		return refuse("what it signs for a core is refused: %v", err)
	}
	provider, err := c.provider(trial, &x509.CertificateRequest{PublicKey: server.Leaf.PublicKey}, now)
	if err == nil {
		_, err = c.providerID(provider)
	}
	if err != nil {
		return refuse("what it signs for a provider is refused: %v", err)
	}
	return nil
}

// trial is nobody: what a new CA signs for it is thrown away.
var trial = core.Provider{Meta: core.Meta{ID: "trial", Name: "trial"}}
