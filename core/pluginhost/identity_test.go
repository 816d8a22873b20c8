// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const day = 24 * time.Hour

// renewExpired asks as a provider does whose certificate is too old to attach. It returns the member with the new one.
func (r *rig) renewExpired(m member, machine string) (member, error) {
	r.t.Helper()
	conn, err := attach.RenewConn(r.t.Context(), r.address, m.identity, time.Now)
	if err != nil {
		return m, err
	}
	defer conn.Close()
	key, csr := newKey(r.t)
	answer, err := pb.NewJoinServiceClient(conn).RenewExpired(r.t.Context(), &pb.RenewExpiredRequest{CertificateRequest: csr, MachineId: machine})
	if err != nil {
		return m, wire.FromStatus(err)
	}
	leaf, err := x509.ParseCertificate(answer.GetCertificateChain()[0])
	if err != nil {
		r.t.Fatal(err)
	}
	m.identity.Certificate = tls.Certificate{Certificate: answer.GetCertificateChain(), PrivateKey: key, Leaf: leaf}
	return m, nil
}

func (r *rig) status(name string) core.ProviderStatus {
	r.t.Helper()
	p, err := r.ca.GetProvider(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Status
}

func TestAnExpiredCertificateOpensOneDoor(t *testing.T) {
	r := newRig(t)
	good, revoked, live := r.join("r1"), r.join("r2"), r.join("r3")
	if err := r.ca.RevokeProvider(t.Context(), "r2"); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(20 * day)
	conn, err := attach.CoreConn(t.Context(), r.address, good.identity, time.Now)
	if err == nil { // the core closes it after the handshake
		_, csr := newKey(t)
		_, err = pb.NewCoreServiceClient(conn).Renew(within(t), &pb.RenewRequest{CertificateRequest: csr})
		conn.Close()
	}
	if err == nil {
		t.Error("the other door is open too")
	}
	renewed, err := r.renewExpired(good, "m-r1")
	if err != nil {
		t.Fatal(err)
	}
	r.start(renewed, memory.NewBackend())
	r.waitReady(good.id)
	_, err = r.renewExpired(revoked, "m-r2")
	wantReason(t, err, fault.ProviderRevoked)
	_, err = r.renewExpired(newRig(t).join("r1"), "m-r1")
	wantReason(t, err, fault.CertRefused)
	nobody := good
	nobody.identity.Certificate = tls.Certificate{}
	_, err = r.renewExpired(nobody, "m-r1")
	wantReason(t, err, fault.CertRefused)
	// A copy of what expired does not renew itself while its provider is there.
	_, err = r.renewExpired(good, "thief")
	wantReason(t, err, fault.MachineConflict)
	if c := r.status("r1").Contested; c == nil || c.MachineID != "thief" {
		t.Errorf("contested %+v", c)
	}
	r.clock.advance(90 * day)
	_, err = r.renewExpired(live, "m-r3")
	wantReason(t, err, fault.CertExpired)
	r.log.wait(t, 1, "renewal refused", "r3", "join again with a new token")
}

func TestACloneIsNamedUntilItTakesThePlace(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	r.start(m, memory.NewBackend())
	r.waitReady(m.id)
	_, err := r.ca.ReplaceProvider(t.Context(), "r1", "")
	wantReason(t, err, fault.BadState)

	clone := newEngine(t, memory.New(memory.NewBackend()))
	d, log := r.dialer(m, clone.Register, clone.Description().ProcessID)
	d.Hello.MachineID = "clone"
	run(t, d)
	log.wait(t, 1, "machine_conflict", "this is machine clone")
	r.log.wait(t, 1, "provider refused", "this is machine clone")
	c := r.status("r1").Contested
	if c == nil || !c.Cloned || c.MachineID != "clone" || !strings.HasPrefix(c.Address, "127.0.0.1:") {
		t.Fatalf("contested %+v", c)
	}
	if n := r.observer.count("detached"); n != 0 {
		t.Error("the provider was disturbed")
	}
	_, err = r.ca.ReplaceProvider(t.Context(), "r1", "another")
	wantReason(t, err, fault.InvalidField)
	if _, err := r.ca.ReplaceProvider(t.Context(), "r1", "clone"); err != nil {
		t.Fatal(err)
	}
	r.observer.wait(t, 1, "detached "+m.id, "another machine took its place")
	r.waitReady(m.id)
	r.log.wait(t, 1, "provider refused", "an operator let another machine take the place of this one")
	if st := r.status("r1"); st.MachineID != "clone" || st.Contested != nil || strings.Join(st.ReplacedMachines, " ") != "m-r1" {
		t.Errorf("%+v", st)
	}
	if info := r.observer.infos[len(r.observer.infos)-1]; info.MachineID != "clone" {
		t.Errorf("attached from %s", info.MachineID)
	}
}

// TestWhoWaitsInTheHandshakeIsCutOffToo: a thief who has shown the certificate, and not said yet who comes, does not slip
// in after the operator cut the provider off.
func TestWhoWaitsInTheHandshakeIsCutOffToo(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	conn, err := tls.Dial("tcp", r.address, m.identity.TLS(attach.ProtocolProvider, time.Now))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	time.Sleep(200 * time.Millisecond) // the core has looked at the certificate by then; if not, it refuses the hello below
	if _, _, err := r.ca.CreateToken(t.Context(), core.NewToken{Name: "r1", Replace: true}); err != nil {
		t.Fatal(err)
	}
	hello, err := json.Marshal(attach.Hello{Provider: "r1", MachineID: "m-r1", Versions: []int{1}, ProcessID: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(hello))), hello...)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); r.observer.count("detached "+m.id, "from before")+r.log.count("refused", "from before") == 0; {
		if time.Now().After(deadline) {
			t.Fatal("it was not cut off")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := r.observer.count("attached"); n != 0 {
		t.Error("it was attached")
	}
}

func TestAProviderServesWhatItWasAdmittedFor(t *testing.T) {
	r := newRig(t)
	admit := func(name, service string) member {
		m := r.join(name)
		err := r.store.Update(t.Context(), func(tx core.Tx) error {
			p, err := tx.Providers().Get(m.id)
			if err != nil {
				return err
			}
			p.Status.AdmittedServices = []string{service}
			return tx.Providers().Update(p)
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	both := admit("r1", "compute")
	r.start(both, memory.NewBackend())
	r.waitReady(both.id)
	if _, err := r.host.Compute(both.id); err != nil {
		t.Error(err)
	}
	_, err := r.host.Network(both.id)
	wantReason(t, err, fault.NoCapability)
	if i, s := r.observer.infos[0], r.observer.snapshots[0]; strings.Join(i.Services, " ") != "compute" || len(s.Routers) != 0 || len(s.Hosts) == 0 {
		t.Errorf("%+v, %+v", i, s)
	}
	m := admit("r2", "network")
	e := newEngine(t, memory.NewCompute(memory.NewBackend()))
	d, _ := r.dialer(m, e.Register, "p")
	run(t, d)
	r.observer.wait(t, 1, "detached "+m.id, "the provider serves compute, and was admitted for network")
}

// TestAMachineWithoutAClock: in 1970 it takes the beginning of its certificate for the time, until the core tells it, be it
// by a refusal.
func TestAMachineWithoutAClock(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	clockless := func() (*attach.Dialer, *book) {
		e := newEngine(t, memory.New(memory.NewBackend()))
		d, log := r.dialer(m, e.Register, e.Description().ProcessID)
		d.Clock = attach.NewClock(func() time.Time { return time.Unix(60, 0) }, m.identity.Certificate.Leaf.NotBefore)
		return d, log
	}
	told := func(d *attach.Dialer) {
		t.Helper()
		if behind := r.clock.now().Sub(d.Clock.Now()); behind > time.Hour {
			t.Errorf("the core's time was not taken: %s behind", behind)
		}
	}
	r.clock.advance(2 * day)
	d, _ := clockless()
	stop := run(t, d)
	r.waitReady(m.id)
	told(d)
	stop()
	r.clock.advance(8 * day)
	d, log := clockless()
	run(t, d)
	log.wait(t, 1, "certificate_expired")
	told(d)
}

// TestEverybodyIsBackAfterTwoLifetimes: 40 providers joined 20 days ago, by the core's clock; then it was off until now.
// Their programs, whose clock is this machine's, come back without a person; the two that are revoked do not.
func TestEverybodyIsBackAfterTwoLifetimes(t *testing.T) {
	t.Parallel()
	const providers, revoked = 40, 2
	path := buildMemory(t)
	r := newRigAt(t, -20*day)
	dirs, names := make([]string, providers), make([]string, providers)
	var joins sync.WaitGroup
	limit := make(chan struct{}, 4)
	for i := range providers {
		dirs[i], names[i] = t.TempDir(), fmt.Sprintf("p%02d", i)
		_, fresh, err := r.ca.CreateToken(t.Context(), core.NewToken{Name: names[i]})
		if err != nil {
			t.Fatal(err)
		}
		joins.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			file := filepath.Join(dirs[i], "token")
			if err := os.WriteFile(file, []byte(fresh.Token), 0o600); err != nil {
				t.Error(err)
			}
			join := exec.Command(path, "join", "--core", r.address, "--token-file", file, "--machine-id", names[i], "--state-dir", dirs[i])
			if out, err := join.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", names[i], err, out)
			}
		})
	}
	joins.Wait()
	for _, name := range names[:revoked] {
		if err := r.ca.RevokeProvider(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	r.clock.advance(20 * day) // the core was off
	for i := range providers {
		startProcess(t, path, "attach", "--core", r.address, "--machine-id", names[i], "--state-dir", dirs[i])
	}
	back := map[string]bool{}
	for deadline := time.After(2 * time.Minute); len(back) < providers-revoked; {
		select {
		case id := <-r.attached:
			back[id] = true
		case <-deadline:
			t.Fatalf("%d of %d are back", len(back), providers-revoked)
		}
	}
	r.log.wait(t, revoked, "provider refused", "was deleted")
	for i, name := range names {
		st := r.status(name)
		if is := st.State == core.ProviderRevoked; is != (i < revoked) {
			t.Errorf("%s is %s", name, st.State)
		}
		if i >= revoked && !st.CertExpires.After(r.clock.now()) {
			t.Errorf("%s came back with its old certificate", name)
		}
	}
}
