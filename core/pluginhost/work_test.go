// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func wantReason(t *testing.T, err error, want fault.Reason) {
	t.Helper()
	if got := fault.ReasonOf(err); got != want {
		t.Errorf("reason %q (%v), want %q", got, err, want)
	}
}

func TestAnAttachedProviderDoesWork(t *testing.T) {
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	_, err := r.host.Network(m.id)
	wantReason(t, err, fault.ProviderAway)
	r.start(m, b)
	r.waitReady(m.id)
	if info := r.observer.infos[0]; info.Plugin != "memory" || info.MachineID != "m-r1" || len(info.Services) != 2 || len(info.Capabilities) == 0 {
		t.Errorf("info %+v", info)
	}
	if s := r.observer.snapshots[0]; len(s.Hosts) != 1 || len(s.Routers) != 1 {
		t.Errorf("snapshot %+v", s)
	}
	release := make(chan struct{})
	b.Inject(memory.Fault{Verb: "ApplyNetwork", Step: memory.StepRoute, Times: 1, Hang: release})
	var steps []string
	id := newID()
	spec := netSpec(t, id, 1)
	var once sync.Once
	n, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), spec, func(step string, _ int) {
		steps = append(steps, step)
		once.Do(func() { close(release) })
	})
	if err != nil || n.Phase != provider.PhaseReady || n.Generation != 1 || n.SpecDigest != spec.SpecDigest {
		t.Fatalf("applied %+v, %v", n, err)
	}
	if !slices.Contains(steps, memory.StepRoute) {
		t.Errorf("steps %v", steps)
	}
	n, err = r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, id, 2), nil)
	if err != nil || n.Generation != 2 {
		t.Fatalf("updated %+v, %v", n, err)
	}
	_, err = r.network(m.id).ApplyNetwork(within(t), r.fence(), spec, nil)
	wantReason(t, err, fault.StaleGeneration)
	_, err = r.network(m.id).ApplyNetwork(within(t), 0, netSpec(t, id, 3), nil)
	wantReason(t, err, fault.Fenced)
	if err := r.network(m.id).DeleteNetwork(within(t), r.fence(), provider.Tag{ID: id}, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.network(m.id).DeleteNetwork(within(t), r.fence(), provider.Tag{ID: id}, nil); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	if left := b.Objects(); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	r.observer.wait(t, 1, "observed "+m.id)
}

func TestSlowWorkIsWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	r.start(m, b)
	r.waitReady(m.id)
	id := newID()
	b.Inject(memory.Fault{Verb: "ApplyNetwork", Step: memory.StepRoute, Times: 1, Delay: 2 * time.Second})
	b.Inject(memory.Fault{Verb: "DeleteNetwork", Step: memory.StepRemove, Times: 1, Delay: 2 * time.Second})
	if _, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, id, 1), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.network(m.id).DeleteNetwork(within(t), r.fence(), provider.Tag{ID: id}, nil); err != nil {
		t.Fatal(err)
	}
	if left := b.Objects(); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func TestFailuresAreTheProvidersFaults(t *testing.T) {
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	r.start(m, b)
	r.waitReady(m.id)
	id := newID()
	refused := fault.New(fault.BackendRefused, "no \x1b[31mroom").With("k\n", "v\t")
	b.Inject(memory.Fault{Verb: "ApplyNetwork", Step: memory.StepRoute, Times: 2, Delay: 200 * time.Millisecond, Err: refused})
	for range 2 {
		_, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, id, 1), nil)
		wantReason(t, err, fault.BackendRefused)
		if f := fault.Of(err); f.Message != "no [31mroom" || f.Metadata["k"] != "v" {
			t.Errorf("fault %+v", f)
		}
	}
	if _, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, id, 1), nil); err != nil {
		t.Errorf("the third attempt, after two that failed: %v", err)
	}
	bad := netSpec(t, newID(), 1)
	bad.RouterID = "nowhere"
	_, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), bad, nil)
	wantReason(t, err, fault.InvalidField)
	b.Inject(memory.Fault{Verb: "DeleteNetwork", Step: memory.StepRemove, Times: 1, Delay: 200 * time.Millisecond, Panic: true})
	err = r.network(m.id).DeleteNetwork(within(t), r.fence(), provider.Tag{ID: id}, nil)
	wantReason(t, err, fault.Panic)
}

func TestALostConnectionInTheMiddleOfAnApply(t *testing.T) {
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	c := newCable(t, r.address)
	e := newEngine(t, memory.New(b))
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	d.Addresses = []string{c.address()}
	run(t, d)
	r.waitReady(m.id)
	release := make(chan struct{})
	b.Inject(memory.Fault{Verb: "ApplyNetwork", Step: memory.StepRoute, Times: 1, Hang: release})
	id := newID()
	fence := r.fence()
	_, err := r.network(m.id).ApplyNetwork(within(t), fence, netSpec(t, id, 1), func(string, int) { c.cut() })
	wantReason(t, err, fault.ProviderAway)
	if f := fault.Of(err); f.Metadata["provider"] != "r1" {
		t.Errorf("%q names no provider", f.Message)
	}
	r.observer.wait(t, 1, "detached "+m.id)
	r.waitReady(m.id)
	if s := r.observer.snapshots[1]; len(s.Networks) != 1 || s.Networks[0].Phase != provider.PhaseProgressing {
		t.Errorf("the snapshot after the reconnection shows %+v", s.Networks)
	}
	close(release)
	n, err := r.network(m.id).ApplyNetwork(within(t), fence, netSpec(t, id, 1), nil)
	if err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("repeated: %+v, %v", n, err)
	}
	if all := b.Objects(); len(all) != 1 {
		t.Errorf("objects %v", all)
	}
}

func TestALostConnectionInTheMiddleOfADelete(t *testing.T) {
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	c := newCable(t, r.address)
	e := newEngine(t, memory.New(b))
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	d.Addresses = []string{c.address()}
	run(t, d)
	r.waitReady(m.id)
	id := newID()
	if _, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, id, 1), nil); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	b.Inject(memory.Fault{Verb: "DeleteNetwork", Step: memory.StepRemove, Times: 1, Hang: release})
	fence := r.fence()
	err := r.network(m.id).DeleteNetwork(within(t), fence, provider.Tag{ID: id}, func(string, int) { c.cut() })
	wantReason(t, err, fault.ProviderAway)
	r.waitReady(m.id)
	close(release)
	if err := r.network(m.id).DeleteNetwork(within(t), fence, provider.Tag{ID: id}, nil); err != nil {
		t.Errorf("repeated: %v", err)
	}
	if all := b.Objects(); len(all) != 0 {
		t.Errorf("objects %v", all)
	}
}

func TestACallerThatGivesUpLeavesTheWorkRunning(t *testing.T) {
	r := newRig(t)
	m, b := r.join("r1"), memory.NewBackend()
	r.start(m, b)
	r.waitReady(m.id)
	release := make(chan struct{})
	b.Inject(memory.Fault{Verb: "ApplyNetwork", Step: memory.StepRoute, Times: 1, Hang: release})
	id := newID()
	ctx, cancel := context.WithCancel(within(t))
	_, err := r.network(m.id).ApplyNetwork(ctx, r.fence(), netSpec(t, id, 1), func(string, int) { cancel() })
	wantReason(t, err, fault.RequestCanceled)
	close(release)
	n, err := r.network(m.id).ApplyNetwork(within(t), r.fence(), netSpec(t, id, 1), nil)
	if err != nil || n.Phase != provider.PhaseReady {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestAbilitiesThatAreNotOffered(t *testing.T) {
	r := newRig(t)
	m := r.join("r1")
	e := newEngine(t, memory.NewNetwork(memory.NewBackend()))
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	run(t, d)
	r.waitReady(m.id)
	_, err := r.host.Compute(m.id)
	wantReason(t, err, fault.NoCapability)
}

func imageOf(content []byte) provider.ImageRef {
	sum := sha256.Sum256(content)
	return provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: provider.ImageRaw, SizeBytes: int64(len(content))}
}

// torn is content whose connection is cut on the way.
type torn struct {
	io.Reader
	after int
	cut   func()
}

func (r *torn) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.after -= n; r.after < 0 && r.cut != nil {
		r.cut()
		r.cut = nil
	}
	return n, err
}

func TestImagesArePushedAndResumed(t *testing.T) {
	r := newRig(t)
	m, b := r.join("hv1"), memory.NewBackend()
	c := newCable(t, r.address)
	e := newEngine(t, memory.New(b))
	d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
	d.Addresses = []string{c.address()}
	run(t, d)
	r.waitReady(m.id)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<20) // 16 MiB
	ref := imageOf(content)
	push := func(open func(int64) (io.ReadCloser, error)) error {
		p, err := r.host.Compute(m.id)
		if err != nil {
			return err
		}
		return p.EnsureImage(within(t), ref, open, func(string, int) {})
	}
	err := push(func(offset int64) (io.ReadCloser, error) {
		return io.NopCloser(&torn{Reader: bytes.NewReader(content[offset:]), after: 8 << 20, cut: c.cut}), nil
	})
	wantReason(t, err, fault.ProviderAway)
	r.waitReady(m.id)
	var offsets []int64
	err = push(func(offset int64) (io.ReadCloser, error) {
		offsets = append(offsets, offset)
		return io.NopCloser(bytes.NewReader(content[offset:])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(offsets) == 0 {
		t.Error("nothing was uploaded")
	}
	err = push(func(int64) (io.ReadCloser, error) { return nil, errors.New("pushed what is there") })
	if err != nil {
		t.Error(err)
	}
	ref = imageOf(content[2:])
	if _, err := memory.New(b).PutImage(t.Context(), ref, 0, bytes.NewReader(content[2:1002])); err != nil {
		t.Fatal(err)
	}
	err = push(func(offset int64) (io.ReadCloser, error) {
		if offset != 1000 {
			t.Errorf("1000 bytes are there, and the upload begins at %d", offset)
		}
		return io.NopCloser(bytes.NewReader(content[2+offset:])), nil
	})
	if err != nil {
		t.Error(err)
	}
	ref = imageOf(content[1:])
	err = push(func(int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content[:len(content)-1])), nil
	})
	wantReason(t, err, fault.DigestMismatch)
}
