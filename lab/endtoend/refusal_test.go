// SPDX-License-Identifier: Apache-2.0

package endtoend_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// TestBadInput sends what cannot be meant: a problem with a stable code that names the field, and nothing left behind.
func TestBadInput(t *testing.T) {
	ctx := limit(t, 3*time.Minute)
	before := everything(ctx, t)
	for _, c := range []struct {
		name, method, path, body string
		code                     fault.Reason
		field                    string
	}{
		{"unknown image", "POST", "/v1/projects/alice/instances", `{"name":"x","spec":{"image":"nix","networks":[{"network":"net"}]}}`, fault.InvalidField, "/spec/image"},
		{"unknown network", "POST", "/v1/projects/alice/instances", `{"name":"x","spec":{"image":"guest","networks":[{"network":"nix"}]}}`, fault.InvalidField, "/spec/networks/0/network"},
		{"duplicate name", "POST", "/v1/projects/alice/instances", `{"name":"web1","spec":{"image":"guest","networks":[{"network":"net"}]}}`, fault.NameTaken, "/name"},
		{"duplicate project", "POST", "/v1/projects", `{"name":"alice"}`, fault.NameTaken, "/name"},
		{"wrong cidr", "POST", "/v1/projects/alice/networks", `{"name":"x","spec":{"ipv4_cidr":"10.1.2.3/24"}}`, fault.InvalidField, "/spec/ipv4_cidr"},
		{"no cidr at all", "POST", "/v1/projects/alice/networks", `{"name":"x","spec":{"ipv4_cidr":"ten"}}`, fault.InvalidField, "/spec/ipv4_cidr"},
		{"bad public key", "POST", "/v1/projects/alice/networks/net/peers", `{"name":"x","spec":{"public_key":"` + strings.Repeat("A", 43) + `!"}}`, fault.InvalidField, "/spec/public_key"},
		{"unknown field", "POST", "/v1/projects/alice/networks", `{"name":"x","spec":{"vlan":7}}`, fault.InvalidField, "/spec/vlan"},
		{"no json", "POST", "/v1/projects", `{"name":`, fault.MalformedBody, ""},
		{"bad name", "POST", "/v1/projects", `{"name":"Ä"}`, fault.InvalidField, "/name"},
		{"too much memory", "POST", "/v1/projects/alice/instances", `{"name":"x","spec":{"image":"guest","memory_bytes":1099511627776,"networks":[{"network":"net"}]}}`, fault.NoHost, ""},
		{"unknown project", "GET", "/v1/projects/nobody/instances", "", fault.UnknownResource, ""},
		{"network in use", "DELETE", "/v1/projects/alice/networks/net", "", fault.HasChildren, ""},
		{"unknown path", "GET", "/v1/nix", "", fault.NoSuchRoute, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, problem := raw(ctx, t, c.method, c.path, c.body)
			if status < 400 || status >= 500 || fault.Reason(problem.Code) != c.code {
				t.Fatalf("%d %+v, want %s", status, problem, c.code)
			}
			if problem.Detail == "" {
				t.Error("no detail")
			}
			if c.field != "" && (len(problem.Errors) != 1 || problem.Errors[0].Field != c.field) {
				t.Errorf("errors = %+v, want one for %s", problem.Errors, c.field)
			}
		})
	}
	if after := everything(ctx, t); after != before {
		t.Errorf("left behind:\n%s\nbefore:\n%s", after, before)
	}
}

// TestFullSubnet fills a /29: it takes exactly what fits, and the next request is refused and leaves nothing.
func TestFullSubnet(t *testing.T) {
	ctx := limit(t, 4*time.Minute)
	c := api(ctx, t)
	tooSmall := client.NewNetwork{Name: "small", Spec: client.NetworkSpec{IPv4CIDR: "10.77.0.0/30"}}
	if _, _, err := c.Networks.Create(ctx, "alice", tooSmall); fault.ReasonOf(err) != fault.InvalidField {
		t.Fatalf("a /30: %v", err)
	}
	_, op, err := c.Networks.Create(ctx, "alice", client.NewNetwork{Name: "small", Spec: client.NetworkSpec{IPv4CIDR: "10.77.0.0/29"}})
	if err != nil {
		t.Fatal(err)
	}
	await(ctx, t, op)
	var made []client.Operation
	var names []string
	for i := range 5 {
		spec := newInstance("small" + string(rune('a'+i)))
		spec.Spec.Networks[0].Network = "small"
		spec.Spec.Power = client.PowerStopped
		_, op, err := c.Instances.Create(ctx, "alice", spec)
		if err != nil {
			t.Fatalf("instance %d of 5: %v", i+1, err)
		}
		made, names = append(made, op), append(names, spec.Name)
	}
	spec := newInstance("smallx")
	spec.Spec.Networks[0].Network = "small"
	if _, _, err := c.Instances.Create(ctx, "alice", spec); fault.ReasonOf(err) != fault.SubnetFull {
		t.Errorf("the sixth: %v, want %s", err, fault.SubnetFull)
	}
	if _, err := c.Instances.Get(ctx, "alice", "smallx"); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("the refused instance: %v", err)
	}
	for _, op := range made {
		await(ctx, t, op)
	}
	for _, name := range names {
		op, err := c.Instances.Delete(ctx, "alice", name)
		if err != nil {
			t.Fatal(err)
		}
		await(ctx, t, op)
	}
	op, err = c.Networks.Delete(ctx, "alice", "small")
	if err != nil {
		t.Fatal(err)
	}
	await(ctx, t, op)
	if left := sh(ctx, t, "router", counting("10.77.0", "cat /etc/config/network /etc/config/dhcp /etc/config/firewall")); strings.TrimSpace(left) != "0" {
		t.Errorf("the router still has %s lines of the network", left)
	}
}

// TestJoinTokens: a token admits once; a second try and nonsense are refused with a message that says why.
func TestJoinTokens(t *testing.T) {
	ctx := limit(t, time.Minute)
	c := api(ctx, t)
	_, token, err := c.Providers.CreateToken(ctx, client.NewToken{Name: "stranger"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Providers.Delete(ctx, "stranger"); err != nil {
			t.Error(err)
		}
	}()
	join := func(token, state string) (string, error) {
		cmd := onMachine(ctx, t, "laptop").Command(ctx, binaries()+"/rhyzome-libvirt",
			"join", "--core", "198.18.0.2:7443", "--token-file", "-", "--state-dir", state)
		cmd.Stdin = strings.NewReader(token)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := join(token.Token, "/root/first"); err != nil {
		t.Fatalf("first use: %v: %s", err, out)
	}
	for name, again := range map[string]string{"reused": token.Token, "cut off": token.Token[:len(token.Token)-4], "nonsense": "hello"} {
		out, err := join(again, "/root/"+strings.ReplaceAll(name, " ", "-"))
		if err == nil || !strings.Contains(out, "token") {
			t.Errorf("%s token: %v: %q", name, err, out)
		}
		if left := sh(ctx, t, "laptop", "ls /root/"+strings.ReplaceAll(name, " ", "-")+" 2>/dev/null | wc -l"); strings.TrimSpace(left) != "0" {
			t.Errorf("%s token: left %s files behind", name, left)
		}
	}
}

// TestForeignCertificate: a certificate of another CA, and none at all, are refused at the attach port.
func TestForeignCertificate(t *testing.T) {
	ctx := limit(t, time.Minute)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := url.Parse("spiffe://somewhere/provider/hv1")
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hv1"}, URIs: []*url.URL{id},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	foreign := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	answer, err := attach(ctx, t, foreign)
	if err != nil || answer.Error == nil || answer.Error.Reason != fault.CertRefused || answer.Error.Message == "" {
		t.Errorf("a foreign certificate: %+v, %v, want %s", answer, err, fault.CertRefused)
	}
	// crypto/tls returns the alert that the other end sent as such an error.
	var alert *net.OpError
	if answer, err := attach(ctx, t, &tls.Certificate{}); !errors.As(err, &alert) || alert.Op != "remote error" {
		t.Errorf("no certificate: %+v, %v, want an alert", answer, err)
	}
	awaitState(t, "hv1", client.ProviderReady) // the real one is not disturbed
}

type problem struct {
	Code   string                 `json:"code"`
	Detail string                 `json:"detail"`
	Errors []fault.FieldViolation `json:"errors"`
}

// raw sends a request as a careless program would.
func raw(ctx context.Context, t *testing.T, method, path, body string) (status int, p problem) {
	t.Helper()
	ca, err := os.ReadFile(one.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(one.TokenFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, method, one.URL()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := h.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return res.StatusCode, p
}

// welcome is the core's answer at the attach port.
type welcome struct {
	Version int `json:"version"`
	Error   *struct {
		Reason  fault.Reason `json:"reason"`
		Message string       `json:"message"`
	} `json:"error"`
}

// attach says hello from the laptop as hv1, with a certificate, and returns the core's answer, or the TLS alert.
func attach(ctx context.Context, t *testing.T, certificate *tls.Certificate) (answer welcome, err error) {
	t.Helper()
	conn := dialFrom(ctx, t, onMachine(ctx, t, "laptop").PID, "198.18.0.2:7443")
	defer conn.Close()
	secure := tls.Client(conn, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"rhyzome-provider/1"},
		InsecureSkipVerify:   true, // it is the core that is to refuse
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil },
	})
	if err := secure.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	hello := []byte(`{"provider":"hv1","machine_id":"0123456789abcdef0123456789abcdef","plugin":"libvirt","versions":[1],"process_id":"x"}`)
	if _, err := secure.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(hello))), hello...)); err != nil {
		t.Fatal(err)
	}
	var size uint32
	if err := binary.Read(secure, binary.BigEndian, &size); err != nil {
		return answer, err
	}
	return answer, json.NewDecoder(io.LimitReader(secure, int64(size))).Decode(&answer)
}

// dialFrom dials in the network namespace of a process.
func dialFrom(ctx context.Context, t *testing.T, pid int, address string) net.Conn {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine's namespace
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// everything lists the names of what there is, and what the router and the hosts hold.
func everything(ctx context.Context, t *testing.T) string {
	t.Helper()
	c := api(ctx, t)
	var all []string
	for p, err := range c.Projects.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, "project "+p.Name)
		for n, err := range c.Networks.All(ctx, p.ID) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, "network "+p.Name+"/"+n.Name)
			for peer, err := range c.Peers.All(ctx, p.ID, n.ID) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, "peer "+peer.Name)
			}
		}
		for i, err := range c.Instances.All(ctx, p.ID) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, "instance "+p.Name+"/"+i.Name)
		}
	}
	all = append(all, sh(ctx, t, "router", "cat /etc/config/network /etc/config/dhcp /etc/config/firewall | sha256sum"))
	for _, host := range []string{"hv1", "hv2"} {
		all = append(all, sh(ctx, t, host, "virsh -q list --all --name | sort"))
	}
	return strings.Join(all, "\n")
}
