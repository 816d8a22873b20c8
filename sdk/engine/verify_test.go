// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestVerify(t *testing.T) {
	b := memory.NewBackend()
	_, client, spec := running(t, memory.New(b))
	verify := func(what string, spec provider.AnySpec, reason fault.Reason) []provider.Drift {
		t.Helper()
		all, err := client.Verify(t.Context(), spec)
		wants(t, what, err, reason)
		return all
	}
	if all := verify("as made", provider.AnySpec{Instance: &spec}, ""); len(all) > 0 {
		t.Errorf("drifts %+v", all)
	}
	if err := b.ShutDown(spec.ID); err != nil {
		t.Fatal(err)
	}
	all := verify("shut down", provider.AnySpec{Instance: &spec}, "")
	if len(all) != 1 || all[0] != (provider.Drift{Field: "/power", Want: "running", Got: "stopped"}) {
		t.Errorf("drifts %+v", all)
	}
	network := networkSpec()
	verify("nothing there", provider.AnySpec{Network: &network}, fault.NoSuchObject)
	verify("no spec", provider.AnySpec{}, fault.NoCapability)
	spec.VCPUs = 0
	verify("malformed", provider.AnySpec{Instance: &spec}, fault.InvalidField)
	release := hang(b, "ApplyNetwork", memory.StepRoute)
	defer release()
	applied := make(chan error, 1)
	go func() {
		_, err := client.ApplyNetwork(t.Context(), fence(), network)
		applied <- err
	}()
	await(t, "working", func() bool { return phase(t, client, network.ID) == provider.PhaseProgressing })
	verify("being worked on", provider.AnySpec{Network: &network}, fault.Busy)
}

func TestVerifyOfAKindThatIsNotOffered(t *testing.T) {
	_, client, _ := serve(t, memory.NewNetwork(memory.NewBackend()), patient)
	configure(t, client)
	spec := instanceSpec()
	_, err := client.Verify(t.Context(), provider.AnySpec{Instance: &spec})
	wants(t, "verify", err, fault.NoCapability)
	_, err = client.Plan(t.Context(), provider.AnySpec{Instance: &spec})
	wants(t, "plan", err, fault.NoCapability)
}

// Plan is refused as Apply would be, and does not ask the author about what is there already.
func TestPlan(t *testing.T) {
	b := memory.NewBackend()
	client := configured(t, b, patient)
	spec := volumeSpec()
	plan := func(what string, reason fault.Reason, steps int) {
		t.Helper()
		p, err := client.Plan(t.Context(), provider.AnySpec{Volume: &spec})
		wants(t, what, err, reason)
		if len(p.Steps) != steps {
			t.Errorf("%s: %+v", what, p)
		}
	}
	plan("new", "", 2)
	if left := b.Objects(); len(left) > 0 {
		t.Errorf("it was planned only, and there is %v", left)
	}
	if _, err := client.ApplyVolume(t.Context(), fence(), spec); err != nil {
		t.Fatal(err)
	}
	b.Inject(memory.Fault{Verb: "Plan", Times: 1, Panic: true})
	plan("there", "", 0)
	spec.SpecDigest = "sha256:other"
	plan("another spec", fault.SpecConflict, 0)
	spec.Generation = 2
	plan("it panics", fault.Panic, 0)
	plan("newer", "", 2)
	spec.SizeBytes = 1
	plan("smaller", fault.InvalidField, 0)
	spec.PoolID = ""
	plan("malformed", fault.InvalidField, 0)
}
