// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const (
	// callsARound are timed together, so that one slow call does not decide.
	callsARound = 200
	// uploadSize of what is streamed in a round.
	uploadSize = 32 << 20
	// farDelay is each way's part of a round trip of 50 ms.
	farDelay = 25 * time.Millisecond
)

// BenchmarkTransport compares an attached provider with a local go-plugin child, in one run: the ratio of their unary
// latency (at most 1.1 is wanted) and of their upload throughput (at least 0.9), and the throughput over a round trip of
// 50 ms (at least 100 MiB/s). Both are processes of the same program.
func BenchmarkTransport(b *testing.B) {
	child := &conformance.Child{Path: os.Args[0], AutoMTLS: true}
	near := &conformance.Attached{Path: os.Args[0], Address: "127.0.0.1:0", Dir: b.TempDir()}
	behind, dialled := farAway(b)
	far := &conformance.Attached{Path: os.Args[0], Args: []string{"{}", "--core", dialled}, Address: behind, Dir: b.TempDir()}
	var latency, throughput, farThroughput []float64
	c, n, f := configured(b, child), configured(b, near), configured(b, far)
	for b.Loop() {
		latency = append(latency, seconds(b, n, calls)/seconds(b, c, calls))
		throughput = append(throughput, seconds(b, c, upload)/seconds(b, n, upload))
		farThroughput = append(farThroughput, uploadSize/seconds(b, f, upload)/(1<<20))
	}
	b.ReportMetric(median(latency), "latency/child")
	b.ReportMetric(median(throughput), "throughput/child")
	b.ReportMetric(median(farThroughput), "MiB/s-at-50ms")
	for _, t := range []conformance.Target{child, near, far} {
		if err := t.Close(); err != nil {
			b.Error(err)
		}
	}
}

func configured(b *testing.B, t conformance.Target) grpc.ClientConnInterface {
	b.Helper()
	cc, err := t.Connect(b.Context())
	if err == nil {
		_, err = wire.NewClient(cc).Configure(b.Context(), 1, []byte(`{}`), 1)
	}
	if err != nil {
		b.Fatal(err)
	}
	return cc
}

// seconds is what one round of work takes.
func seconds(b *testing.B, cc grpc.ClientConnInterface, work func(context.Context, *wire.Client) error) float64 {
	b.Helper()
	began := time.Now()
	if err := work(b.Context(), wire.NewClient(cc)); err != nil {
		b.Fatal(err)
	}
	return time.Since(began).Seconds()
}

func calls(ctx context.Context, c *wire.Client) error {
	for range callsARound {
		if _, err := c.ListHosts(ctx); err != nil {
			return err
		}
	}
	return nil
}

var upload = func() func(context.Context, *wire.Client) error {
	content := bytes.Repeat([]byte("0123456789abcdef"), uploadSize/16)
	sum := sha256.Sum256(content)
	ref := provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: provider.ImageRaw, SizeBytes: uploadSize}
	return func(ctx context.Context, c *wire.Client) error {
		if _, err := c.PutImage(ctx, ref, 0, bytes.NewReader(content)); err != nil {
			return err
		}
		return c.DeleteImage(ctx, ref.SHA256)
	}
}()

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// farAway returns an address to listen at, and the one to dial for it: what goes between them is late.
func farAway(b *testing.B) (behind, dialled string) {
	b.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	behind = free.Addr().String()
	free.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			work.Go(func() { detour(conn, behind) })
		}
	})
	b.Cleanup(func() { l.Close(); work.Wait() })
	return behind, l.Addr().String()
}

func detour(conn net.Conn, to string) {
	defer conn.Close()
	other, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer other.Close()
	var both sync.WaitGroup
	both.Go(func() { late(conn, other); conn.Close() })
	late(other, conn)
	other.Close()
	both.Wait()
}

// late copies, each piece farDelay after it came. What is on the way is bounded by a window of 64 MiB.
func late(to io.Writer, from io.Reader) {
	type piece struct {
		content []byte
		due     time.Time
	}
	way := make(chan piece, 1024)
	var writing sync.WaitGroup
	writing.Go(func() {
		var broken error
		for p := range way {
			if broken == nil {
				time.Sleep(time.Until(p.due))
				_, broken = to.Write(p.content)
			}
		}
	})
	for {
		content := make([]byte, 64<<10)
		n, err := from.Read(content)
		if n > 0 {
			way <- piece{content[:n], time.Now().Add(farDelay)}
		}
		if err != nil {
			break
		}
	}
	close(way)
	writing.Wait()
}
