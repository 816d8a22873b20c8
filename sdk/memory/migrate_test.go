// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// around returns hosts by what keeps an instance of the default one from moving there.
func around() []provider.Host {
	twin, elder, arm, remote := memory.DefaultHost(), memory.DefaultHost(), memory.DefaultHost(), memory.DefaultHost()
	twin.ID, elder.ID, arm.ID, remote.ID = "twin", "elder", "arm", "remote"
	elder.Labels = map[string]string{"cpu": "old"}
	arm.Architecture = "aarch64"
	remote.Fabrics = nil
	return []provider.Host{memory.DefaultHost(), twin, elder, arm, remote}
}

func TestMovesAreAsTheyAreSaidToBe(t *testing.T) {
	for host, c := range map[string]struct {
		mode    provider.MigrationMode
		running fault.Reason
		stopped fault.Reason
	}{
		"twin":   {provider.MigrationLive, "", ""},
		"elder":  {provider.MigrationStopped, fault.BadState, ""},
		"arm":    {provider.MigrationImpossible, fault.InvalidField, fault.InvalidField},
		"remote": {provider.MigrationImpossible, fault.InvalidField, fault.InvalidField},
	} {
		b := memory.NewBackend()
		b.SetHosts(around()...)
		p := memory.New(b)
		put(t, p)
		for power, reason := range map[provider.PowerState]fault.Reason{provider.PowerRunning: c.running, provider.PowerStopped: c.stopped} {
			spec := instanceSpec()
			spec.Power = power
			_, err := p.ApplyInstance(t.Context(), spec, quiet)
			wants(t, "made", err, "")
			can, err := p.CheckInstanceMigration(t.Context(), spec.ID, host)
			if err != nil || can.Mode != c.mode || (len(can.Obstacles) == 0) != (c.mode == provider.MigrationLive) {
				t.Errorf("to %s: %+v, %v", host, can, err)
			}
			spec.Generation, spec.HostID = 2, host
			_, planned := p.Plan(t.Context(), provider.AnySpec{Instance: &spec})
			wants(t, "plan of a move to "+host+", "+string(power), planned, reason)
			_, err = p.ApplyInstance(t.Context(), spec, quiet)
			wants(t, "move to "+host+", "+string(power), err, reason)
		}
	}
}

func TestAMoveThatFailsLeavesTheInstance(t *testing.T) {
	b := memory.NewBackend()
	b.SetHosts(around()...)
	p := memory.New(b)
	put(t, p)
	spec := instanceSpec()
	_, err := p.ApplyInstance(t.Context(), spec, quiet)
	wants(t, "made", err, "")
	b.Inject(memory.Fault{Verb: "ApplyInstance", Step: memory.StepMove, Times: 1, Err: fault.New(fault.BackendRefused, "no")})
	spec.Generation, spec.HostID = 2, "twin"
	_, err = p.ApplyInstance(t.Context(), spec, quiet)
	wants(t, "the move", err, fault.BackendRefused)
	if i, err := p.GetInstance(t.Context(), spec.ID); err != nil || i.HostID != "memory-host" || i.Power != provider.PowerRunning {
		t.Errorf("after a move that failed: %+v, %v", i, err)
	}
	i, err := p.ApplyInstance(t.Context(), spec, quiet)
	if err != nil || i.HostID != "twin" {
		t.Errorf("the next attempt: %+v, %v", i, err)
	}
}

func TestVolumesHoldAnInstance(t *testing.T) {
	b := memory.NewBackend()
	b.SetHosts(around()...)
	p := memory.New(b)
	put(t, p)
	spec := instanceSpec()
	_, err := p.ApplyInstance(t.Context(), spec, quiet)
	wants(t, "made", err, "")
	volume := provider.VolumeSpec{Tag: tag(), PoolID: "memory-host-disk", SizeBytes: 1 << 20, InstanceID: spec.ID}
	_, err = p.ApplyVolume(t.Context(), volume, quiet)
	wants(t, "attached", err, "")
	can, err := p.CheckInstanceMigration(t.Context(), spec.ID, "twin")
	if err != nil || can.Mode != provider.MigrationImpossible {
		t.Errorf("with a volume that only its host reaches: %+v, %v", can, err)
	}
	for host, reason := range map[string]fault.Reason{"memory-host": fault.InvalidField, "?": fault.InvalidField} {
		_, err = p.CheckInstanceMigration(t.Context(), spec.ID, host)
		wants(t, "to "+host, err, reason)
	}
	_, err = p.CheckInstanceMigration(t.Context(), "?", "twin")
	wants(t, "nothing there", err, fault.NoSuchObject)
}
