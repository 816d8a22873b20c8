// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
)

func TestNothingBeforeConfigure(t *testing.T) {
	_, client, _ := serve(t, memory.New(memory.NewBackend()), quick)
	ctx := t.Context()
	for what, call := range map[string]func() error{
		"apply":   func() error { _, err := client.ApplyNetwork(ctx, fence(), networkSpec()); return err },
		"delete":  func() error { _, _, err := client.DeleteNetwork(ctx, fence(), tag()); return err },
		"cancel":  func() error { _, err := client.Cancel(ctx, provider.KindNetwork, newID(), fence()); return err },
		"reboot":  func() error { _, err := client.RebootInstance(ctx, fence(), newID(), "x", false); return err },
		"put":     func() error { _, err := client.PutImage(ctx, imageRef, 0, strings.NewReader("x")); return err },
		"delimg":  func() error { return client.DeleteImage(ctx, imageRef.SHA256) },
		"get":     func() error { _, err := client.GetInstance(ctx, newID()); return err },
		"list":    func() error { _, err := client.ListPeers(ctx); return err },
		"routers": func() error { _, err := client.ListRouters(ctx); return err },
		"watch": func() error {
			for _, err := range client.Watch(ctx, time.Second) {
				return err
			}
			return nil
		},
	} {
		wants(t, what, call(), fault.NotConfigured)
	}
	if _, err := client.Configure(ctx, 1, []byte(`{"unknown":1}`), 0); err == nil {
		t.Error("a bad configuration was accepted")
	}
	_, err := client.ListRouters(ctx)
	wants(t, "after a Configure that failed", err, fault.NotConfigured)
}

func TestConfigureReportsEveryFault(t *testing.T) {
	_, client, _ := serve(t, memory.New(memory.NewBackend()), quick)
	for _, c := range []struct {
		config string
		fields []string
	}{
		{`[]`, []string{""}},
		{`{} {}`, []string{""}},
		{`{"a`, []string{""}},
		{`null`, []string{""}},
		{`{"colour":1,"step_delay_ms":"x","routers":[{"id":"","mtu":1}]}`,
			[]string{"/colour", "/routers/0/fabrics", "/routers/0/id", "/routers/0/mtu", "/routers/0/name", "/step_delay_ms"}},
	} {
		_, err := client.Configure(t.Context(), 1, []byte(c.config), 0)
		wants(t, c.config, err, fault.InvalidField)
		var fields []string
		for _, v := range fault.Of(err).Fields {
			fields = append(fields, v.Field)
		}
		slices.Sort(fields)
		if !slices.Equal(fields, c.fields) {
			t.Errorf("%s: fields %q, want %q", c.config, fields, c.fields)
		}
	}
}

func TestConfigureAgain(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, quick)
	b.Inject(memory.Fault{Verb: "Configure", Err: fault.New(fault.BackendDenied, "no")})
	if _, err := client.Configure(t.Context(), 1, []byte(`{}`), 0); err != nil {
		t.Errorf("the same settings were installed again: %v", err)
	}
	_, err := client.Configure(t.Context(), 2, []byte(`{"step_delay_ms":1}`), 0)
	wants(t, "other settings", err, fault.BackendDenied)
	_, err = client.ListRouters(t.Context())
	wants(t, "the old settings stay", err, "")
	_, err = client.Configure(t.Context(), 1, []byte(`{}`), 0)
	wants(t, "the old settings again, of which a part may have been replaced", err, fault.BackendDenied)
}

func TestSecretsArriveInPlace(t *testing.T) {
	b := memory.NewBackend()
	_, client, cc := serve(t, memory.New(b), quick)
	path := t.TempDir() + "/state"
	provider := pb.NewProviderServiceClient(cc)
	_, err := provider.Configure(t.Context(), &pb.ConfigureRequest{
		ConfigJson: `{"hosts":[{"id":"h","name":"?","vcpus":1,"memory_bytes":1,"disk_bytes":1,"fabrics":["a"]}]}`,
		Secrets:    map[string][]byte{"/state_file": []byte(path), "/hosts/0/name": []byte("hidden")},
	})
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := client.ListHosts(t.Context())
	if err != nil || len(hosts) != 1 || hosts[0].Name != "hidden" {
		t.Errorf("hosts = %+v, %v", hosts, err)
	}
	for _, pointer := range []string{"", "x", "/hosts/7/name", "/hosts/x", "/nobody/home"} {
		_, err := provider.Configure(t.Context(), &pb.ConfigureRequest{Secrets: map[string][]byte{pointer: []byte("hush")}})
		wants(t, pointer, wire.FromStatus(err), fault.InvalidField)
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("the secret is in the message: %v", err)
		}
	}
}

func TestCancel(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, quick)
	spec := networkSpec()
	cancel := func() wire.Outcome {
		began := time.Now()
		outcome, err := client.Cancel(t.Context(), provider.KindNetwork, spec.ID, fence())
		if took := time.Since(began); err != nil || took > time.Second {
			t.Errorf("Cancel: %v after %s", err, took)
		}
		return outcome
	}
	if got := cancel(); got != wire.NothingRunning {
		t.Errorf("nothing runs: %s", got)
	}
	hang(b, "ApplyNetwork", memory.StepRoute)
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "Apply", err, "")
	if got := cancel(); got != wire.Canceled {
		t.Errorf("work that honours its context: %s", got)
	}
	n, err := client.GetNetwork(t.Context(), spec.ID)
	if err != nil || n.Phase != provider.PhaseFailed || fault.ReasonOf(n.Failure) != fault.RequestCanceled {
		t.Errorf("Get = %+v, %v", n, err)
	}
	if got, err := client.Cancel(t.Context(), provider.KindImage, newID(), fence()); err != nil || got != wire.NothingRunning {
		t.Errorf("a kind without work: %s, %v", got, err)
	}
}

// wrapping says of every end that the backend is away, as code does that wraps errors without a look.
type wrapping struct{ *memory.Network }

func (w wrapping) ApplyNetwork(ctx context.Context, s provider.NetworkSpec, p provider.Progress) (provider.Network, error) {
	n, err := w.Network.ApplyNetwork(ctx, s, p)
	if err != nil {
		err = fault.New(fault.BackendDown, "the backend broke off")
	}
	return n, err
}

func TestCancelIsTheReason(t *testing.T) {
	b := memory.NewBackend()
	_, client, _ := serve(t, wrapping{memory.NewNetwork(b)}, quick)
	configure(t, client)
	spec := networkSpec()
	hang(b, "ApplyNetwork", memory.StepRoute)
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "Apply", err, "")
	if got, err := client.Cancel(t.Context(), provider.KindNetwork, spec.ID, fence()); err != nil || got != wire.Canceled {
		t.Fatalf("Cancel = %s, %v", got, err)
	}
	n, err := client.GetNetwork(t.Context(), spec.ID)
	if err != nil || fault.ReasonOf(n.Failure) != fault.RequestCanceled {
		t.Errorf("Get = %+v, %v", n, err)
	}
}

// deaf does not honour its context.
type deaf struct {
	*memory.Network
	release chan struct{}
}

func (d deaf) ApplyNetwork(_ context.Context, s provider.NetworkSpec, p provider.Progress) (provider.Network, error) {
	<-d.release
	return d.Network.ApplyNetwork(context.Background(), s, p)
}

func TestCancelTooLate(t *testing.T) {
	d := deaf{memory.NewNetwork(memory.NewBackend()), make(chan struct{})}
	_, client, _ := serve(t, d, quick)
	configure(t, client)
	spec := networkSpec()
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "Apply", err, "")
	began := time.Now()
	outcome, err := client.Cancel(t.Context(), provider.KindNetwork, spec.ID, fence())
	if took := time.Since(began); err != nil || outcome != wire.TooLate || took > time.Second {
		t.Errorf("Cancel = %s, %v after %s", outcome, err, took)
	}
	_, _, err = client.DeleteNetwork(t.Context(), fence(), spec.Tag)
	wants(t, "Delete of what does not stop", err, fault.Busy)
	close(d.release)
	await(t, "ready", func() bool { return phase(t, client, spec.ID) == provider.PhaseReady })
}

func TestDrain(t *testing.T) {
	b := memory.NewBackend()
	e, client, _ := serve(t, memory.New(b), quick)
	configure(t, client)
	spec := networkSpec()
	release := hang(b, "ApplyNetwork", memory.StepRoute)
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "Apply", err, "")
	running, err := client.Drain(t.Context(), time.Minute)
	if err != nil || running != 1 {
		t.Errorf("Drain = %d, %v", running, err)
	}
	_, err = client.ApplyNetwork(t.Context(), fence(), networkSpec())
	wants(t, "new work", err, fault.Draining)
	states := watchStates(t, client)
	if got := <-states; got != wire.StateDraining {
		t.Errorf("state %s", got)
	}
	release()
	if got := <-states; got != wire.StateDrained {
		t.Errorf("state %s", got)
	}
	all := events(t, client)
	if err := e.Drain(t.Context()); err != nil {
		t.Errorf("Drain of what is drained: %v", err)
	}
	next(t, all, "drained, to who came late", func(e wire.Event) bool { return e.Status != nil && e.Status.State == wire.StateDrained })
	if got := phase(t, client, spec.ID); got != provider.PhaseReady {
		t.Errorf("what ran was not finished: %s", got)
	}
}

// A provider that is told to leave tells the outcome of its last work, and that it is drained, before Drain returns.
func TestDrainTellsTheOutcome(t *testing.T) {
	b := memory.NewBackend()
	e, client, _ := serve(t, memory.New(b), quick)
	configure(t, client)
	spec := networkSpec()
	release := hang(b, "ApplyNetwork", memory.StepRoute)
	if _, err := client.ApplyNetwork(t.Context(), fence(), spec); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var ready, drained bool
	attending := make(chan struct{})
	watching(t, client, func(_ context.Context, e wire.Event) {
		mu.Lock()
		defer mu.Unlock()
		ready = ready || networkIn(spec.ID, provider.PhaseReady)(e)
		drained = drained || e.Status != nil && e.Status.State == wire.StateDrained
		if e.SnapshotEnd {
			close(attending)
		}
	})
	<-attending
	look := hang(b, "GetNetwork", "") // so that the outcome takes a while to be seen
	time.AfterFunc(200*time.Millisecond, look)
	release()
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil { // ends the stream behind what was sent
		t.Fatal(err)
	}
	await(t, "outcome and state", func() bool { mu.Lock(); defer mu.Unlock(); return ready && drained })
}

func TestDrainRunsOutOfTime(t *testing.T) {
	b := memory.NewBackend()
	e, client, _ := serve(t, memory.New(b), quick)
	configure(t, client)
	hang(b, "ApplyNetwork", memory.StepRoute)
	spec := networkSpec()
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "Apply", err, "")
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Drain(expired); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain did not wait: %v", err)
	}
	if _, err := client.Drain(t.Context(), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := phase(t, client, spec.ID); got != provider.PhaseFailed {
		t.Errorf("phase %q", got)
	}
}

// watchStates sends each state that a watch shows, until the test ends.
func watchStates(t *testing.T, client *wire.Client) <-chan wire.State {
	t.Helper()
	states := make(chan wire.State)
	watching(t, client, func(ctx context.Context, e wire.Event) {
		if e.Status != nil {
			select {
			case states <- e.Status.State:
			case <-ctx.Done():
			}
		}
	})
	return states
}

// watching calls f with each event, until the test ends.
func watching(t *testing.T, client *wire.Client, f func(context.Context, wire.Event)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range client.Watch(ctx, 100*time.Millisecond) {
			if err != nil {
				return
			}
			f(ctx, e)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}
