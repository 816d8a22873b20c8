// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// counting counts the calls that reach the author, and how many of them run for one object at the same time.
type counting struct {
	*memory.Network
	mu      sync.Mutex
	applied int
	now     map[string]int
	most    int
}

func newCounting(b *memory.Backend) *counting {
	return &counting{Network: memory.NewNetwork(b), now: map[string]int{}}
}

func (c *counting) enter(id string) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now[id]++
	c.most = max(c.most, c.now[id])
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now[id]--
	}
}

func (c *counting) ApplyNetwork(ctx context.Context, s provider.NetworkSpec, p provider.Progress) (provider.Network, error) {
	defer c.enter(s.ID)()
	c.mu.Lock()
	c.applied++
	c.mu.Unlock()
	return c.Network.ApplyNetwork(ctx, s, p)
}

func (c *counting) GetNetwork(ctx context.Context, id string) (provider.Network, error) {
	defer c.enter(id)()
	return c.Network.GetNetwork(ctx, id)
}

func (c *counting) DeleteNetwork(ctx context.Context, id string, p provider.Progress) error {
	defer c.enter(id)()
	return c.Network.DeleteNetwork(ctx, id, p)
}

func (c *counting) calls() (applied, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applied, c.most
}

func TestApplyIsDoneOnce(t *testing.T) {
	c := newCounting(memory.NewBackend())
	_, client, _ := serve(t, c, patient)
	configure(t, client)
	spec := networkSpec()
	for range 3 {
		n, err := client.ApplyNetwork(t.Context(), fence(), spec)
		if err != nil || n.Phase != provider.PhaseReady || n.Generation != 1 || n.SpecDigest != spec.SpecDigest {
			t.Fatalf("Apply = %+v, %v", n, err)
		}
	}
	if applied, _ := c.calls(); applied != 1 {
		t.Errorf("the author was called %d times", applied)
	}
}

func TestConcurrentDuplicatesAreOne(t *testing.T) {
	b := memory.NewBackend()
	c := newCounting(b)
	release := hang(b, "ApplyNetwork", memory.StepRoute)
	b.Inject(memory.Fault{Verb: "GetNetwork", Delay: 5 * time.Millisecond}) // long enough to overlap
	_, client, _ := serve(t, c, quick)
	configure(t, client)
	spec, f := networkSpec(), fence()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			n, err := client.ApplyNetwork(t.Context(), f, spec)
			if err != nil || n.Phase != provider.PhaseProgressing || n.Step != memory.StepRoute && n.Step != "" {
				t.Errorf("Apply = %+v, %v", n, err)
			}
		})
	}
	all.Wait()
	if got := phase(t, client, spec.ID); got != provider.PhaseProgressing {
		t.Errorf("phase %q", got)
	}
	release()
	await(t, "ready", func() bool { return phase(t, client, spec.ID) == provider.PhaseReady })
	if applied, most := c.calls(); applied != 1 || most != 1 {
		t.Errorf("the author was called %d times, %d at once", applied, most)
	}
}

func TestGenerations(t *testing.T) {
	client := configured(t, memory.NewBackend(), patient)
	spec := networkSpec()
	spec.Generation = 3
	apply := func(generation int64, digest string) error {
		s := spec
		s.Generation, s.SpecDigest = generation, digest
		_, err := client.ApplyNetwork(t.Context(), fence(), s)
		return err
	}
	wants(t, "first", apply(3, "a"), "")
	wants(t, "same generation, other spec", apply(3, "b"), fault.SpecConflict)
	wants(t, "older generation", apply(2, "a"), fault.StaleGeneration)
	wants(t, "newer generation", apply(4, "b"), "")
	n, err := client.GetNetwork(t.Context(), spec.ID)
	if err != nil || n.Generation != 4 || n.SpecDigest != "b" {
		t.Errorf("Get = %+v, %v", n, err)
	}
}

func TestGenerationsWhileWorkRuns(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, quick)
	spec := networkSpec()
	spec.Generation = 2
	hang(b, "ApplyNetwork", memory.StepRoute)
	if n, err := client.ApplyNetwork(t.Context(), fence(), spec); err != nil || n.Phase != provider.PhaseProgressing || n.Generation != 2 {
		t.Fatalf("Apply = %+v, %v", n, err)
	}
	older, conflict, newer := spec, spec, spec
	older.Generation, conflict.SpecDigest = 1, "other"
	newer.Generation, newer.SpecDigest = 3, "newer"
	_, err := client.ApplyNetwork(t.Context(), fence(), older)
	wants(t, "older", err, fault.StaleGeneration)
	_, err = client.ApplyNetwork(t.Context(), fence(), conflict)
	wants(t, "conflict", err, fault.SpecConflict)
	n, err := client.ApplyNetwork(t.Context(), fence(), newer)
	if err != nil || n.Phase != provider.PhaseProgressing || n.Generation != 3 {
		t.Fatalf("a newer generation did not take over: %+v, %v", n, err)
	}
}

func TestFailureIsSeenAndRepaired(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	spec := networkSpec()
	remove := b.Inject(memory.Fault{Verb: "ApplyNetwork", Err: fault.New(fault.BackendRefused, "no")})
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "Apply", err, fault.BackendRefused)
	n, err := client.GetNetwork(t.Context(), spec.ID)
	if err != nil || n.Phase != provider.PhaseFailed || n.Generation != 1 || fault.ReasonOf(n.Failure) != fault.BackendRefused {
		t.Errorf("Get = %+v, %v", n, err)
	}
	if all, err := client.ListNetworks(t.Context()); err != nil || len(all) != 1 || all[0].Phase != provider.PhaseFailed {
		t.Errorf("List = %+v, %v", all, err)
	}
	remove()
	if n, err := client.ApplyNetwork(t.Context(), fence(), spec); err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("Apply again = %+v, %v", n, err)
	}
}

func TestFailedUpdateHidesNothing(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	spec := networkSpec()
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "create", err, "")
	b.Inject(memory.Fault{Verb: "ApplyNetwork", Times: 1, Err: fault.New(fault.BackendDown, "away")})
	update := spec
	update.Generation, update.SpecDigest = 2, "two"
	_, err = client.ApplyNetwork(t.Context(), fence(), update)
	wants(t, "update", err, fault.BackendDown)
	if n, err := client.GetNetwork(t.Context(), spec.ID); err != nil || n.Phase != provider.PhaseFailed || n.Generation != 2 {
		t.Errorf("Get = %+v, %v", n, err)
	}
	undo := spec
	undo.Generation = 3
	if n, err := client.ApplyNetwork(t.Context(), fence(), undo); err != nil || n.Generation != 3 {
		t.Errorf("undo = %+v, %v", n, err)
	}
}

func TestInterruptedStartsAgain(t *testing.T) {
	b := memory.NewBackend()
	spec := networkSpec()
	release := hang(b, "ApplyNetwork", memory.StepRoute)
	t.Run("process that dies", func(t *testing.T) {
		client := configured(t, b, quick)
		if n, err := client.ApplyNetwork(t.Context(), fence(), spec); err != nil || n.Phase != provider.PhaseProgressing {
			t.Fatalf("Apply = %+v, %v", n, err)
		}
	})
	client := configured(t, b, patient)
	all, err := client.ListNetworks(t.Context())
	if err != nil || len(all) != 1 || all[0].Phase != provider.PhaseFailed || fault.ReasonOf(all[0].Failure) != fault.Interrupted {
		t.Fatalf("List = %+v, %v", all, err)
	}
	release()
	if n, err := client.ApplyNetwork(t.Context(), fence(), spec); err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("Apply again = %+v, %v", n, err)
	}
}

func TestPanicIsAFault(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	spec := networkSpec()
	for _, verb := range []string{"ApplyNetwork", "GetNetwork", "ListNetworks", "ListRouters", "DeleteNetwork"} {
		b.Inject(memory.Fault{Verb: verb, Times: 1, Panic: true})
		var err error
		switch verb {
		case "ApplyNetwork":
			_, err = client.ApplyNetwork(t.Context(), fence(), spec)
		case "GetNetwork":
			_, err = client.GetNetwork(t.Context(), newID())
		case "ListNetworks":
			_, err = client.ListNetworks(t.Context())
		case "ListRouters":
			_, err = client.ListRouters(t.Context())
		case "DeleteNetwork":
			_, _, err = client.DeleteNetwork(t.Context(), fence(), spec.Tag)
		}
		wants(t, verb, err, fault.Panic)
	}
	if _, _, err := client.DeleteNetwork(t.Context(), fence(), spec.Tag); err != nil {
		t.Errorf("the engine did not survive: %v", err)
	}
}

func TestPlainErrorsAreNotShown(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	b.Inject(memory.Fault{Verb: "GetNetwork", Err: errors.New("password 1234")})
	_, err := client.GetNetwork(t.Context(), newID())
	wants(t, "Get", err, fault.Bug)
	if err.Error() != "internal error" {
		t.Errorf("the text came through: %v", err)
	}
}

func TestDelete(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, quick)
	spec := networkSpec()
	ready(t, client, spec)
	release := hang(b, "DeleteNetwork", memory.StepRemove)
	f := fence()
	for range 2 {
		gone, observed, err := client.DeleteNetwork(t.Context(), f, spec.Tag)
		if gone || err != nil || observed.Phase != provider.PhaseDeleting || observed.ID != spec.ID || observed.Percent != 50 {
			t.Fatalf("Delete = %v, %+v, %v", gone, observed, err)
		}
	}
	_, err := client.ApplyNetwork(t.Context(), f, spec)
	wants(t, "Apply while it is deleted", err, fault.Busy)
	if all, err := client.ListNetworks(t.Context()); err != nil || len(all) != 1 || all[0].Phase != provider.PhaseDeleting {
		t.Errorf("List = %+v, %v", all, err)
	}
	release()
	await(t, "gone", func() bool { return phase(t, client, spec.ID) == "" })
	if left := b.Objects(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDeleteOfNothing(t *testing.T) {
	client := configured(t, memory.NewBackend(), patient)
	for range 2 {
		if gone, _, err := client.DeleteNetwork(t.Context(), fence(), tag()); !gone || err != nil {
			t.Errorf("Delete = %v, %v", gone, err)
		}
	}
}

func TestDeleteStopsWhatRuns(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, quick)
	spec := networkSpec()
	hang(b, "ApplyNetwork", memory.StepRoute)
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "Apply", err, "")
	_, _, err = client.DeleteNetwork(t.Context(), fence(), spec.Tag)
	wants(t, "Delete", err, "")
	await(t, "gone", func() bool { return phase(t, client, spec.ID) == "" })
	if left := b.Objects(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFailedDeleteIsSeen(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	spec := networkSpec()
	_, err := client.ApplyNetwork(t.Context(), fence(), spec)
	wants(t, "Apply", err, "")
	b.Inject(memory.Fault{Verb: "DeleteNetwork", Times: 1, Err: fault.New(fault.BackendDown, "away")})
	_, _, err = client.DeleteNetwork(t.Context(), fence(), spec.Tag)
	wants(t, "Delete", err, fault.BackendDown)
	if n, err := client.GetNetwork(t.Context(), spec.ID); err != nil || n.Phase != provider.PhaseFailed || n.Generation != 1 {
		t.Errorf("Get = %+v, %v", n, err)
	}
	if gone, _, err := client.DeleteNetwork(t.Context(), fence(), spec.Tag); !gone || err != nil {
		t.Errorf("Delete again = %v, %v", gone, err)
	}
}

func TestFences(t *testing.T) {
	b := memory.NewBackend()
	_, client, _ := serve(t, memory.New(b), patient)
	if _, err := client.Configure(t.Context(), 1, []byte(`{}`), 1000); err != nil {
		t.Fatal(err)
	}
	spec := networkSpec()
	apply := func(fence uint64) error {
		_, err := client.ApplyNetwork(t.Context(), fence, spec)
		return err
	}
	wants(t, "below the floor", apply(999), fault.Fenced)
	wants(t, "at the floor", apply(1000), "")
	wants(t, "higher", apply(1010), "")
	wants(t, "lower than one seen", apply(1009), fault.Fenced)
	_, _, err := client.DeleteNetwork(t.Context(), 1009, spec.Tag)
	wants(t, "Delete with a lower fence", err, fault.Fenced)
	_, err = client.Cancel(t.Context(), provider.KindNetwork, spec.ID, 1009)
	wants(t, "Cancel with a lower fence", err, fault.Fenced)
	_, _, err = client.DeleteNetwork(t.Context(), 1020, spec.Tag)
	wants(t, "Delete", err, "")
	wants(t, "late Apply of what was deleted", apply(1019), fault.Fenced)
	if _, err := client.Configure(t.Context(), 2, []byte(`{"step_delay_ms":1}`), 5000); err != nil {
		t.Fatal(err)
	}
	wants(t, "the floor is that of the first Configure", apply(1021), "")
}

func TestWorkOutlivesTheCall(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	spec := networkSpec()
	release := hang(b, "ApplyNetwork", memory.StepRoute)
	ctx, cancel := context.WithCancel(t.Context())
	lost := make(chan error, 1)
	go func() {
		_, err := client.ApplyNetwork(ctx, fence(), spec)
		lost <- err
	}()
	await(t, "working", func() bool { return phase(t, client, spec.ID) == provider.PhaseProgressing })
	cancel()
	wants(t, "the call", <-lost, fault.RequestCanceled)
	release()
	await(t, "ready", func() bool { return phase(t, client, spec.ID) == provider.PhaseReady })
}

func TestReboot(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	putImage(t, client)
	spec := instanceSpec()
	_, err := client.ApplyInstance(t.Context(), fence(), spec)
	wants(t, "Apply", err, "")
	for range 2 {
		i, err := client.RebootInstance(t.Context(), fence(), spec.ID, "operation-1", false)
		if err != nil || i.LastRebootOperationID != "operation-1" {
			t.Errorf("Reboot = %+v, %v", i, err)
		}
	}
	if n := b.Reboots(spec.ID); n != 1 {
		t.Errorf("rebooted %d times", n)
	}
	_, err = client.RebootInstance(t.Context(), 0, spec.ID, "operation-2", false)
	wants(t, "low fence", err, fault.Fenced)
	_, err = client.RebootInstance(t.Context(), fence(), spec.ID, "", false)
	wants(t, "no operation", err, fault.InvalidField)
	_, err = client.RebootInstance(t.Context(), fence(), newID(), "operation-3", false)
	wants(t, "nothing there", err, fault.NoSuchObject)
}

// half implements one half of the service network, which is none.
type half struct {
	provider.Provider
	provider.Networks
}

func TestWhatIsOffered(t *testing.T) {
	b := memory.NewBackend()
	for _, c := range []struct {
		p    provider.Provider
		want []string
		not  []string
	}{
		{memory.New(b), []string{"compute", "network", "power", "images", "volumes", "snapshots", "resize", "migrate", "metrics", "console", "exec", "peers", "forwards", "verify", "plan"}, nil},
		{memory.NewCompute(b), []string{"compute", "power", "images", "volumes", "snapshots", "resize", "migrate", "metrics", "console", "exec", "verify", "plan"}, []string{"network", "peers", "forwards"}},
		{memory.NewNetwork(b), []string{"network", "peers", "forwards", "verify", "plan"}, []string{"compute", "power", "images", "volumes", "snapshots", "resize", "migrate", "metrics", "console", "exec"}},
		{half{memory.New(b), memory.New(b)}, nil, []string{"network", "compute"}},
	} {
		e, client, _ := serve(t, c.p, quick)
		d, err := client.Describe(t.Context())
		if err != nil || d.ProcessID == "" || d.ProcessID != e.Description().ProcessID {
			t.Errorf("Describe = %+v, %v", d, err)
		}
		for _, name := range c.want {
			if !d.Offers(name) {
				t.Errorf("%T does not offer %s", c.p, name)
			}
		}
		for _, name := range c.not {
			if d.Offers(name) {
				t.Errorf("%T offers %s", c.p, name)
			}
		}
	}
}

func TestWhatIsNotOfferedIsUnimplemented(t *testing.T) {
	_, client, _ := serve(t, memory.NewNetwork(memory.NewBackend()), quick)
	configure(t, client)
	_, err := client.ListInstances(t.Context())
	wants(t, "instances", err, fault.NoCapability)
	_, err = client.GetImage(t.Context(), imageRef.SHA256)
	wants(t, "images", err, fault.NoCapability)
}
