// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// verb is one thing that changes the router, on a router that has everything but what it makes.
type verb struct {
	name string
	do   func(context.Context, *Provider) error
	ends end // what a new process makes of it when it is broken off
	made func(context.Context, *Provider) (provider.Observed, error)
	drop func(context.Context, *Provider) error
}

// end is how a change that was broken off ends.
type end int

const (
	undone   end = iota // by the next process
	finished            // likewise
	waiting             // for the next change, half made and visible, and then it is undone
)

func verbs() []verb {
	changed := networkSpec(1)
	changed.Tag, changed.Egress, changed.WireGuard.ListenPort = tag(changed.ID, 2), provider.EgressNone, 51900
	moved := portSpec(1, 1)
	moved.Tag, moved.MAC = tag(moved.ID, 2), "52:54:00:99:99:99"
	return []verb{
		{
			name: "apply network", ends: waiting,
			do: func(ctx context.Context, p *Provider) error {
				_, err := p.ApplyNetwork(ctx, networkSpec(3), progress)
				return err
			},
			made: func(ctx context.Context, p *Provider) (provider.Observed, error) {
				n, err := p.GetNetwork(ctx, networkSpec(3).ID)
				return n.Observed, err
			},
			drop: func(ctx context.Context, p *Provider) error { return p.DeleteNetwork(ctx, networkSpec(3).ID, progress) },
		},
		{name: "change network", ends: undone, do: func(ctx context.Context, p *Provider) error {
			_, err := p.ApplyNetwork(ctx, changed, progress)
			return err
		}},
		{name: "delete network", ends: finished, do: func(ctx context.Context, p *Provider) error {
			return p.DeleteNetwork(ctx, networkSpec(9).ID, progress)
		}},
		{
			name: "apply port", ends: waiting,
			do: func(ctx context.Context, p *Provider) error {
				_, err := p.ApplyPort(ctx, portSpec(1, 7), progress)
				return err
			},
			made: func(ctx context.Context, p *Provider) (provider.Observed, error) {
				o, err := p.GetPort(ctx, portSpec(1, 7).ID)
				return o.Observed, err
			},
			drop: func(ctx context.Context, p *Provider) error { return p.DeletePort(ctx, portSpec(1, 7).ID, progress) },
		},
		{name: "change port", ends: undone, do: func(ctx context.Context, p *Provider) error {
			_, err := p.ApplyPort(ctx, moved, progress)
			return err
		}},
		{name: "delete port", ends: finished, do: func(ctx context.Context, p *Provider) error {
			return p.DeletePort(ctx, portSpec(1, 1).ID, progress)
		}},
		{name: "apply peer", ends: finished, do: func(ctx context.Context, p *Provider) error {
			_, err := p.ApplyPeer(ctx, peerSpec(1, 7), progress)
			return err
		}},
		{name: "delete peer", ends: finished, do: func(ctx context.Context, p *Provider) error {
			return p.DeletePeer(ctx, peerSpec(1, 1).ID, progress)
		}},
	}
}

// furnished returns a router with networks, ports and peers, among them what the verbs need.
func furnished(t *testing.T) (*Provider, *fakeRouter) {
	t.Helper()
	p, f, _ := newTest(t)
	everything(t, p)
	applyNetwork(t, p, networkSpec(9))
	return p, f
}

// changing tells the calls that follow a change from those that only look.
func changing(call string) bool { return call != "ubus call network.interface dump" }

// measure does a verb where nothing goes wrong: how many calls it makes, and what the router is then.
func measure(t *testing.T, v verb) (calls int, after string) {
	t.Helper()
	p, f := furnished(t)
	f.hook(func(call string) error {
		if changing(call) {
			calls++
		}
		return nil
	})
	if err := v.do(t.Context(), p); err != nil {
		t.Fatalf("%s: %s", v.name, explain(err))
	}
	if calls == 0 {
		t.Fatalf("%s changed nothing", v.name)
	}
	return calls, f.state(t)
}

// TestAFailedChangeIsUndone fails each call of each verb in turn: the router is then as it was, and the same verb works.
func TestAFailedChangeIsUndone(t *testing.T) {
	t.Parallel()
	for _, v := range verbs() {
		calls, _ := measure(t, v)
		for at := range calls {
			t.Run(fmt.Sprintf("%s, call %d", v.name, at), func(t *testing.T) {
				t.Parallel()
				p, f := furnished(t)
				before, n := f.state(t), 0
				f.hook(func(call string) error {
					if !changing(call) {
						return nil
					}
					if n++; n-1 == at {
						return fault.New(fault.BackendRefused, "%s fails", call)
					}
					return nil
				})
				if err := v.do(t.Context(), p); fault.ReasonOf(err) != fault.BackendRefused {
					t.Fatalf("%v", err)
				}
				if diff := cmp.Diff(before, f.state(t)); diff != "" {
					t.Errorf("not undone:\n%s", diff)
				}
				if err := v.do(t.Context(), p); err != nil {
					t.Errorf("once more: %s", explain(err))
				}
			})
		}
	}
}

var errCrash = errors.New("crash")

// TestACrashIsMadeGood lets the process die at each call of each verb.
func TestACrashIsMadeGood(t *testing.T) {
	t.Parallel()
	for _, v := range verbs() {
		calls, after := measure(t, v)
		for at := range calls {
			t.Run(fmt.Sprintf("%s, call %d", v.name, at), func(t *testing.T) {
				t.Parallel()
				p, f := furnished(t)
				before := f.state(t)
				crash(t, f, at, func() { t.Error(v.do(t.Context(), p)) })
				p, _ = restart(t, f)
				if err := p.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				v.madeGood(t, p, f, map[end]string{undone: before, waiting: before, finished: after}[v.ends])
				if err := v.do(t.Context(), p); err != nil {
					t.Errorf("once more: %s", explain(err))
				}
				if diff := cmp.Diff(after, f.state(t)); diff != "" {
					t.Errorf("once more:\n%s", diff)
				}
			})
		}
	}
}

// madeGood looks at a router after a crash and a Check.
func (v verb) madeGood(t *testing.T, p *Provider, f *fakeRouter, want string) {
	t.Helper()
	if v.ends == waiting {
		if o, err := v.made(t.Context(), p); err != nil || o.Phase != provider.PhaseFailed || o.Failure.Reason != fault.Interrupted {
			t.Errorf("half made: %+v, %v", o, err)
		}
		if err := v.drop(t.Context(), p); err != nil {
			t.Errorf("delete what is half made: %s", explain(err))
		}
	}
	if diff := cmp.Diff(want, f.state(t)); diff != "" {
		t.Errorf("not made good:\n%s", diff)
	}
}

// crash runs do until its nth changing call, which never returns.
func crash(t *testing.T, f *fakeRouter, at int, do func()) {
	t.Helper()
	n := 0
	f.hook(func(call string) error {
		if !changing(call) {
			return nil
		}
		if n++; n-1 == at {
			panic(errCrash)
		}
		return nil
	})
	defer func() {
		f.hook(nil)
		if err, ok := recover().(error); !ok || !errors.Is(err, errCrash) {
			t.Fatalf("no crash: %v", err)
		}
	}()
	do()
}

// TestACrashBetweenTheFilesIsUndone stops after the journal, and after each of the files.
func TestACrashBetweenTheFilesIsUndone(t *testing.T) {
	for written := range 4 {
		p, f := furnished(t)
		before := f.state(t)
		r := p.router.Load()
		files, err := r.load()
		if err != nil {
			t.Fatal(err)
		}
		n, err := r.resolve(networkSpec(3))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.planNetwork(files, n, nil); err != nil {
			t.Fatal(err)
		}
		changes := files.changes()
		if err := r.beginJournal(journal{Changes: changes, Undo: shrinking, Effects: effects{Handles: []string{n.Handle}}}); err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{fileNetwork, fileDHCP, fileFirewall} {
			if i < written {
				if err := r.write(t.Context(), map[string][]uci.Change{name: changes[name]}); err != nil {
					t.Fatal(err)
				}
			}
		}
		p, _ = restart(t, f)
		remove(t, "another", p.DeletePort(t.Context(), portSpec(2, 2).ID, progress))
		applyPort(t, p, portSpec(2, 2))
		if diff := cmp.Diff(before, f.state(t)); diff != "" {
			t.Errorf("after %d files:\n%s", written, diff)
		}
		if _, err := os.Stat(filepath.Join(r.state, journalFile)); !os.IsNotExist(err) {
			t.Errorf("the journal is still there: %v", err)
		}
	}
}

// TestWhatCannotBeUndoneIsUndoneLater keeps the journal while the router cannot follow.
func TestWhatCannotBeUndoneIsUndoneLater(t *testing.T) {
	p, f := furnished(t)
	before := f.state(t)
	f.hook(func(call string) error {
		if strings.HasPrefix(call, "fw4") {
			return fault.New(fault.BackendRefused, "fw4 is broken")
		}
		return nil
	})
	if _, err := p.ApplyNetwork(t.Context(), networkSpec(3), progress); fault.ReasonOf(err) != fault.BackendRefused {
		t.Fatalf("%v", err)
	}
	if _, err := p.ApplyPort(t.Context(), portSpec(1, 7), progress); fault.ReasonOf(err) != fault.BackendDown {
		t.Errorf("a change before the undoing: %v", err)
	}
	f.hook(nil)
	remove(t, "port that is not there", p.DeletePort(t.Context(), portSpec(1, 7).ID, progress))
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Errorf("not undone:\n%s", diff)
	}
}

// TestTheOwnersEditsSurvive lets the owner edit the files while a change runs, and fail, and be deleted.
func TestTheOwnersEditsSurvive(t *testing.T) {
	const edit = "\n# the owner, meanwhile\nconfig  rule\n  option x  'y'\n"
	for _, fails := range []bool{false, true} {
		p, f, _ := newTest(t)
		f.hook(func(call string) error {
			if call == "fw4 reload" && f.count("fw4 reload") == 1 {
				for _, name := range []string{fileNetwork, fileDHCP, fileFirewall} {
					f.write(t, "etc/config/"+name, f.read(t, "etc/config/"+name)+edit)
				}
				if fails {
					return fault.New(fault.BackendRefused, "it fails")
				}
			}
			return nil
		})
		if _, err := p.ApplyNetwork(t.Context(), networkSpec(1), progress); (err != nil) != fails {
			t.Fatalf("%v", err)
		}
		remove(t, "network", p.DeleteNetwork(t.Context(), networkSpec(1).ID, progress))
		for _, name := range []string{fileNetwork, fileDHCP, fileFirewall} {
			if diff := cmp.Diff(owners(t, name)+edit, f.read(t, "etc/config/"+name)); diff != "" {
				t.Errorf("%s, fails %v:\n%s", name, fails, diff)
			}
		}
	}
}

// TestALostUpdateIsMadeAgain lets somebody overwrite our sections while they are applied, as uci can.
func TestALostUpdateIsMadeAgain(t *testing.T) {
	for _, times := range []int{1, maxAttempts} {
		p, f, _ := newTest(t)
		n := 0
		f.hook(func(call string) error {
			if call == "dnsmasq reload" {
				if n++; n <= times {
					f.write(t, "etc/config/firewall", owners(t, fileFirewall))
				}
			}
			return nil
		})
		_, err := p.ApplyNetwork(t.Context(), networkSpec(1), progress)
		if times < maxAttempts && (err != nil || !strings.Contains(f.read(t, "etc/config/firewall"), "rz_abcdef01_zone")) {
			t.Errorf("overwritten once: %v", err)
		}
		if times == maxAttempts && fault.ReasonOf(err) != fault.Busy {
			t.Errorf("overwritten each time: %v", err)
		}
	}
}

// TestACanceledChangeStaysAndIsUndone gives up quickly: what is half made is seen, and the next change undoes it.
func TestACanceledChangeStaysAndIsUndone(t *testing.T) {
	p, f := furnished(t)
	before := f.state(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.hook(func(call string) error {
		if call == "ubus call network reload" {
			cancel()
		}
		return nil
	})
	if _, err := p.ApplyNetwork(ctx, networkSpec(3), progress); fault.CodeOf(err) != fault.Canceled {
		t.Fatalf("%v", err)
	}
	if n, err := p.GetNetwork(t.Context(), networkSpec(3).ID); err != nil || n.Phase != provider.PhaseFailed {
		t.Errorf("%+v, %v", n, err)
	}
	remove(t, "network", p.DeleteNetwork(t.Context(), networkSpec(3).ID, progress))
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Errorf("not undone:\n%s", diff)
	}
}

// TestACanceledPeerStays is listed like what a dead process left: the device gets it with the next health check.
func TestACanceledPeerStays(t *testing.T) {
	p, _, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	ctx, cancel := context.WithCancel(t.Context())
	canceling := func(string, int) { cancel() }
	if _, err := p.ApplyPeer(ctx, peerSpec(1, 3), canceling); fault.CodeOf(err) != fault.Canceled {
		t.Fatalf("%v", err)
	}
	for _, want := range []provider.Phase{provider.PhaseFailed, provider.PhaseReady} {
		if o, err := p.GetPeer(t.Context(), peerSpec(1, 3).ID); err != nil || o.Phase != want {
			t.Errorf("%+v, %v; want %s", o, err, want)
		}
		if err := p.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPortsTogether applies many ports at once: all are there, for fewer reloads, and a bad one fails alone.
func TestPortsTogether(t *testing.T) {
	const ports = 20
	p, f, _ := newTest(t)
	applyNetwork(t, p, networkSpec(1))
	f.hook(nil)
	var all sync.WaitGroup
	for i := range ports {
		all.Go(func() {
			spec := portSpec(1, i)
			if i == 7 {
				spec.Addresses[0] = spec.Addresses[0].Next().Next() // that of port 9
			}
			if _, err := p.ApplyPort(t.Context(), spec, progress); err != nil && i != 7 && i != 9 {
				t.Errorf("port %d: %s", i, explain(err))
			}
		})
	}
	all.Wait()
	listed, err := p.ListPorts(t.Context())
	if err != nil || len(listed) != ports-1 {
		t.Errorf("%d ports, %v", len(listed), err)
	}
	if reloads := f.count("dnsmasq reload"); reloads >= ports {
		t.Errorf("%d reloads for %d ports", reloads, ports)
	}
}

// TestInterruptedIsSeen reads what a power cut may leave: sections that nobody saw to work, and no journal.
func TestInterruptedIsSeen(t *testing.T) {
	p, f := furnished(t)
	for _, name := range []string{fileNetwork, fileDHCP} {
		text := strings.ReplaceAll(f.read(t, "etc/config/"+name), "rhyzome_state 'ready'", "rhyzome_state 'applying'")
		f.write(t, "etc/config/"+name, text)
	}
	n, err := p.GetNetwork(t.Context(), networkSpec(1).ID)
	if err != nil || n.Phase != provider.PhaseFailed || n.Failure.Reason != fault.Interrupted {
		t.Errorf("network: %+v, %v", n, err)
	}
	o, err := p.GetPort(t.Context(), portSpec(1, 1).ID)
	if err != nil || o.Phase != provider.PhaseFailed || o.Failure.Reason != fault.Interrupted {
		t.Errorf("port: %+v, %v", o, err)
	}
	if n := applyNetwork(t, p, networkSpec(1)); n.Phase != provider.PhaseReady {
		t.Errorf("applied again: %+v", n)
	}
}
