// SPDX-License-Identifier: Apache-2.0

// Package client speaks Rhyzome's REST API. Each resource has a file and a field of Client:
//
//	c, err := client.New(client.Config{URL: "https://127.0.0.1:8443", Token: token, CACert: pem})
//	network, op, err := c.Networks.Create(ctx, "alice", client.NewNetwork{Name: "lan"})
//	_, err = c.Operations.Wait(ctx, op.ID, nil)
//
// A project, network, instance, … is named by id or name. Errors are *fault.Error with the reason that the core gave,
// so that errors.Is(err, &fault.Error{Reason: fault.NameTaken}) works. A core that cannot be reached is
// fault.CoreAway, one whose certificate is not trusted fault.CertRefused.
package client

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Config says where the core is and how to be let in.
type Config struct {
	URL   string // of the core: "https://core.example:8443"
	Token string // bearer token

	// CACert is the PEM of the CA that signed the core's certificate, RootCAs a pool instead; with neither, the
	// system's CAs count.
	CACert  []byte
	RootCAs *x509.CertPool

	// HTTPClient replaces the whole transport; CACert and RootCAs are then not looked at.
	HTTPClient *http.Client
}

// Client speaks to one core. It may be used by many goroutines at once.
type Client struct {
	Projects   *Projects
	Images     *Images
	Networks   *Networks
	Peers      *Peers
	Instances  *Instances
	Hosts      *Hosts
	Routers    *Routers
	Fabrics    *Fabrics
	Providers  *Providers
	CA         *Authority
	Operations *Operations
	Events     *Events
}

// New checks the configuration and returns a client. It does not connect.
func New(config Config) (*Client, error) {
	base, err := baseURL(config.URL)
	if err != nil {
		return nil, err
	}
	h := config.HTTPClient
	if h == nil {
		if h, err = httpClient(config); err != nil {
			return nil, err
		}
	}
	t := &transport{http: h, base: base, token: config.Token}
	return &Client{
		Projects: &Projects{t}, Images: &Images{t}, Networks: &Networks{t}, Peers: &Peers{t}, Instances: &Instances{t},
		Hosts: &Hosts{t}, Routers: &Routers{t}, Fabrics: &Fabrics{t}, Providers: &Providers{t}, CA: &Authority{t},
		Operations: &Operations{t}, Events: &Events{t},
	}, nil
}

func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "", fault.Invalid("/url", "%q is not a URL of a core; it looks like https://core.example:8443", raw)
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), nil
}

// httpClient has limits for each phase of a request and none for the whole: uploads and event streams are long.
func httpClient(config Config) (*http.Client, error) {
	roots := config.RootCAs
	if len(config.CACert) > 0 {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(config.CACert) {
			return nil, fault.Invalid("/ca_cert", "it holds no PEM certificate")
		}
	}
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		ExpectContinueTimeout: 5 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   16,
		ForceAttemptHTTP2:     true,
	}}, nil
}
