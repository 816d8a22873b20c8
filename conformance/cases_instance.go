// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func instanceCases() []Case {
	return []Case{
		{
			ID: "INSTANCE-HOSTS-001", Level: Must, Needs: wire.ServiceCompute,
			Title:    "Hosts have ids that stay",
			Sentence: "A host's id MUST be unique, the machine's own, and stay over restarts of the provider and of the machine.",
			Fix:      "Use the machine-id of the host, not a name, an address or something made at start, and report vcpus and memory_bytes.",
			Catches:  []string{"does not say how large its hosts are", "invents hosts", "has less than nothing"},
			Run:      hostsStay,
		},
		{
			ID: "INSTANCE-POWER-001", Level: Must, Needs: wire.ServiceCompute,
			Title:    "Power is in the spec",
			Sentence: "Power is in the spec: Apply MUST make a running instance of POWER_RUNNING and a stopped one of POWER_STOPPED.",
			Fix:      "Start or stop as part of Apply, and report what the backend says, and on which host.",
			Catches:  []string{"does not know where stopped instances are", "is always running"},
			Run:      powerInSpec,
		},
		{
			ID: "POWER-REBOOT-001", Level: Must, Needs: wire.CapabilityPower,
			Title:    "A repeated reboot reboots once",
			Sentence: "RebootInstance MUST keep the last operation_id done with the tag: repeating the call does not reboot twice.",
			Fix:      "Write operation_id into the backend beside the tag, and compare before you reboot.",
			Catches:  []string{"forgets what it rebooted for"},
			Run:      rebootOnce,
		},
		{
			ID: "POWER-REBOOT-002", Level: Must, Needs: wire.CapabilityPower,
			Title:    "A lower fence does not reboot",
			Sentence: "RebootInstance MUST be fenced as Apply is.",
			Fix:      "Compare the fence before you reboot.",
			Catches:  []string{"reboots for whoever is late"},
			Run:      rebootFenced,
		},
	}
}

func hostsStay(ctx context.Context, s *Session) error {
	before, err := s.hostIDs(ctx)
	if err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	after, err := s.hostIDs(ctx)
	if err == nil && !reflect.DeepEqual(before, after) {
		err = fmt.Errorf("hosts %q are %q after a restart", before, after)
	}
	return err
}

func (s *Session) hostIDs(ctx context.Context) ([]string, error) {
	hosts, err := s.client.ListHosts(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, h := range hosts {
		if h.ID == "" || h.Name == "" || slices.Contains(ids, h.ID) {
			return nil, fmt.Errorf("host %q, called %q: ids are unique, and neither is empty", h.ID, h.Name)
		}
		for unit, n := range h.Capacity {
			if n < 0 {
				return nil, fmt.Errorf("host %s has %d of %s", h.ID, n, unit)
			}
		}
		for _, unit := range []string{provider.UnitVCPUs, provider.UnitMemoryBytes} {
			if h.Capacity[unit] <= 0 {
				return nil, fmt.Errorf("host %s says nothing of its %s", h.ID, unit)
			}
		}
		ids = append(ids, h.ID)
	}
	slices.Sort(ids)
	return ids, nil
}

func powerInSpec(ctx context.Context, s *Session) error {
	spec := s.instanceSpec()
	k := instanceKind()
	for i, power := range []provider.PowerState{provider.PowerStopped, provider.PowerRunning, provider.PowerStopped} {
		spec.Generation, spec.SpecDigest, spec.Power = int64(i+1), fmt.Sprintf("sha256:conformance-%d", i+1), power
		if _, err := s.make(ctx, k, applyInstance(spec)); err != nil {
			return err
		}
		got, err := s.client.GetInstance(ctx, spec.ID)
		if err != nil {
			return err
		}
		if got.Power != power || got.HostID != s.host.ID {
			return fmt.Errorf("it must be %s on %s, and is %s on %s", power, s.host.ID, got.Power, got.HostID)
		}
	}
	return nil
}

func rebootOnce(ctx context.Context, s *Session) error {
	d := applyInstance(s.instanceSpec())
	if _, err := s.make(ctx, instanceKind(), d); err != nil {
		return err
	}
	operation := s.runner.NewID()
	for range 2 {
		if _, err := s.client.RebootInstance(ctx, s.nextFence(), d.tag.ID, operation, true); err != nil {
			return err
		}
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	got, err := s.client.GetInstance(ctx, d.tag.ID)
	if err != nil {
		return err
	}
	if got.LastRebootOperationID != operation {
		return fmt.Errorf("the last operation was %s, and it says %q", operation, got.LastRebootOperationID)
	}
	_, err = s.client.RebootInstance(ctx, s.nextFence(), d.tag.ID, operation, true)
	return err
}

func rebootFenced(ctx context.Context, s *Session) error {
	old := s.nextFence()
	d := applyInstance(s.instanceSpec())
	if _, err := s.make(ctx, instanceKind(), d); err != nil {
		return err
	}
	_, late := s.client.RebootInstance(ctx, old, d.tag.ID, s.runner.NewID(), true)
	got, err := s.client.GetInstance(ctx, d.tag.ID)
	if err == nil && got.LastRebootOperationID != "" {
		err = errors.New("it was rebooted nevertheless")
	}
	return errors.Join(reason("reboot with a lower fence", late, fault.Fenced), err)
}
