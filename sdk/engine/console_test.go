// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// running serves an instance that runs.
func running(t *testing.T, p provider.Provider) (*engine.Engine, *wire.Client, provider.InstanceSpec) {
	t.Helper()
	e, client, _ := serve(t, p, patient)
	configure(t, client)
	putImage(t, client)
	spec := instanceSpec()
	if _, err := client.ApplyInstance(t.Context(), fence(), spec); err != nil {
		t.Fatal(err)
	}
	return e, client, spec
}

func openConsole(t *testing.T, client *wire.Client, id string) *wire.Console {
	t.Helper()
	c, err := client.OpenConsole(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConsoleCarriesBytes(t *testing.T) {
	b := memory.NewBackend()
	_, client, spec := running(t, memory.New(b))
	one, other := openConsole(t, client, spec.ID), openConsole(t, client, spec.ID)
	text := bytes.Repeat([]byte("0123456789\x00\xff"), wire.MaxConsoleData/12*3/2) // more than one message
	if n, err := one.Write(text); n != len(text) || err != nil {
		t.Errorf("wrote %d of %d, %v", n, len(text), err)
	}
	for _, c := range []*wire.Console{one, other} {
		got := make([]byte, len(text))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("another text came back (%v)", err)
		}
	}
	if err := one.Close(); err != nil {
		t.Error(err)
	}
	if _, err := one.Read(make([]byte, 1)); fault.ReasonOf(err) != fault.RequestCanceled {
		t.Errorf("Read after Close: %v", err)
	}
	if err := b.ShutDown(spec.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("Read after the guest's end: %v", err)
	}
	_, err := client.OpenConsole(t.Context(), spec.ID)
	wants(t, "a console of what is stopped", err, fault.BadState)
	_, err = client.OpenConsole(t.Context(), "x")
	wants(t, "a console of a malformed id", err, fault.InvalidField)
}

func TestConsoleEndsWithTheEngine(t *testing.T) {
	e, client, spec := running(t, memory.New(memory.NewBackend()))
	c := openConsole(t, client, spec.ID)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Errorf("work did not end: %v", err)
	}
	_, err := io.Copy(io.Discard, c)
	wants(t, "the console", err, fault.Draining)
}

// badConsole does what an author may do wrong.
type badConsole struct {
	*memory.Provider
	closed chan struct{}
}

func (b *badConsole) OpenConsole(context.Context, string) (io.ReadWriteCloser, error) { return b, nil }

func (b *badConsole) Read([]byte) (int, error) {
	<-b.closed
	return 0, io.EOF
}

func (*badConsole) Write([]byte) (int, error) { panic("no keyboard") }

func (b *badConsole) Close() error {
	close(b.closed) // twice would panic
	return nil
}

func TestConsoleIsClosedOnce(t *testing.T) {
	b := &badConsole{memory.New(memory.NewBackend()), make(chan struct{})}
	_, client, spec := running(t, b)
	c := openConsole(t, client, spec.ID)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	_, err := io.Copy(io.Discard, c)
	wants(t, "typing panics", err, fault.Panic)
	<-b.closed
}

func TestConsoleMessagesAreBounded(t *testing.T) {
	_, client, cc := serve(t, memory.New(memory.NewBackend()), patient)
	configure(t, client)
	putImage(t, client)
	spec := instanceSpec()
	if _, err := client.ApplyInstance(t.Context(), fence(), spec); err != nil {
		t.Fatal(err)
	}
	large := make([]byte, wire.MaxConsoleData+1)
	for what, messages := range map[string][]*pb.OpenConsoleRequest{
		"first":  {{Id: spec.ID, Data: large}},
		"second": {{Id: spec.ID}, {Data: large}},
	} {
		stream, err := pb.NewConsoleServiceClient(cc).OpenConsole(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		for err == nil {
			_, err = stream.Recv()
		}
		wants(t, what+" message too large", wire.FromStatus(err), fault.InvalidField)
	}
}
