// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/memory"
)

// actAsCrowd makes this test's program many providers: they come as JSON on its standard input.
const actAsCrowd = "RHYZOME_TEST_ACT_AS_CROWD"

// crowd is what such a program needs to know.
type crowd struct {
	Address string
	Root    []byte
	Members []crowdMember
}

type crowdMember struct {
	Name      string
	Cert, Key []byte
}

// runCrowd attaches everybody until the input ends.
func runCrowd(in io.Reader) error {
	buffered := bufio.NewReader(in)
	line, err := buffered.ReadBytes('\n')
	if err != nil {
		return err
	}
	var c crowd
	if err := json.Unmarshal(line, &c); err != nil {
		return err
	}
	root, err := x509.ParseCertificate(c.Root)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	e := engine.New(memory.NewNetwork(memory.NewBackend()), engine.Options{Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	for _, m := range c.Members {
		key, err := x509.ParseECPrivateKey(m.Key)
		if err != nil {
			return err
		}
		id := attach.Identity{Certificate: tls.Certificate{Certificate: [][]byte{m.Cert}, PrivateKey: key}, Roots: roots}
		d := &attach.Dialer{
			Addresses: []string{c.Address}, Identity: func() attach.Identity { return id },
			Hello: attach.Hello{Provider: m.Name, MachineID: "m", Plugin: "memory", Versions: []int{1}, ProcessID: m.Name},
			Clock: attach.NewClock(time.Now, time.Time{}), Register: e.Register, Log: slog.New(slog.DiscardHandler),
		}
		running.Go(func() { d.Run(ctx) })
	}
	_, err = io.Copy(io.Discard, buffered)
	cancel()
	return err
}

func (r *rig) crowd(n int) crowd {
	r.t.Helper()
	c := crowd{Address: r.address, Root: r.ca.Root().Raw}
	for i := range n {
		key, csr := newKey(r.t)
		name := fmt.Sprintf("p%d", i)
		e, err := r.ca.Enrol(r.t.Context(), pki.EnrolRequest{
			Secret: r.token(name).Secret, CertificateRequest: csr, MachineID: "m", Plugin: "memory",
		})
		if err != nil {
			r.t.Fatal(err)
		}
		c.Members = append(c.Members, crowdMember{Name: name, Cert: e.Certificate.Raw, Key: marshalKey(r.t, key)})
	}
	return c
}

func marshalKey(t testing.TB, key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// BenchmarkAttached measures what a thousand attached providers cost a core: memory each, and the share of a CPU while
// nothing happens but heartbeats.
func BenchmarkAttached(b *testing.B) {
	const n = 1000
	r := newRig(b)
	everybody := r.crowd(n)
	before := memoryInUse()
	goroutines := runtime.NumGoroutine()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), actAsCrowd+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { in.Close(); cmd.Wait() }()
	if err := json.NewEncoder(in).Encode(everybody); err != nil {
		b.Fatal(err)
	}
	for range n {
		<-r.attached
	}
	took := time.Since(began)
	for b.Loop() {
		cpu, wall := cpuTime(), time.Now()
		time.Sleep(10 * time.Second)
		b.ReportMetric(100*(cpuTime()-cpu).Seconds()/time.Since(wall).Seconds(), "%CPU-idle")
	}
	b.ReportMetric(took.Seconds(), "s-to-attach")
	b.ReportMetric(float64(memoryInUse()-before)/n/1024, "KiB/provider")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/n, "goroutines/provider")
}

// memoryInUse is the heap and the stacks.
func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
