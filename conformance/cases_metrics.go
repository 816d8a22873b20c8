// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func metricsCases() []Case {
	return []Case{
		{
			ID: "METRICS-GET-001", Level: Must, Needs: wire.CapabilityMetrics,
			Title:    "Counters never fall",
			Sentence: "Counters MUST never fall while since stays the same.",
			Fix:      "Report the backend's own counters, and as since when the guest started; if the backend begins anew, move since.",
			Catches:  []string{"counts backwards"},
			Run:      countersRise,
		},
		{
			ID: "METRICS-GET-002", Level: Must, Needs: wire.CapabilityMetrics,
			Title:    "What does not run has no counters",
			Sentence: "GetInstanceMetrics of an instance that is not running MUST be refused with FAILED_PRECONDITION, BAD_STATE.",
			Fix:      "Return the fault BadState, not zeros: they would be taken for a guest that does nothing.",
			Catches:  []string{"measures the dead"},
			Run:      metricsOfStopped,
		},
	}
}

// readings is how often the counters are read.
const readings = 5

func countersRise(ctx context.Context, s *Session) error {
	d := applyInstance(s.instanceSpec())
	if _, err := s.make(ctx, instanceKind(), d); err != nil {
		return err
	}
	var before provider.InstanceMetrics
	for range readings {
		now, err := s.client.GetInstanceMetrics(ctx, d.tag.ID)
		if err != nil {
			return err
		}
		if now.Since.IsZero() || now.ObservedAt.Before(now.Since) {
			return fmt.Errorf("observed at %s, and counted since %s", now.ObservedAt, now.Since)
		}
		if now.Since.Equal(before.Since) && fell(counters(before), counters(now)) {
			return fmt.Errorf("they were %+v, and then %+v", before, now)
		}
		before = now
	}
	return nil
}

// counters of an instance, those of its first disk and port.
func counters(m provider.InstanceMetrics) []int64 {
	all := []int64{int64(m.CPUTime)}
	for _, d := range m.Disks[:min(len(m.Disks), 1)] {
		all = append(all, d.ReadBytes, d.WrittenBytes, d.Reads, d.Writes)
	}
	for _, n := range m.NICs[:min(len(m.NICs), 1)] {
		all = append(all, n.ReceivedBytes, n.SentBytes, n.ReceivedPackets, n.SentPackets)
	}
	return all
}

// fell reports whether one of the counters is lower than before, or gone.
func fell(before, now []int64) bool {
	if len(now) < len(before) {
		return true
	}
	for i := range before {
		if now[i] < before[i] {
			return true
		}
	}
	return false
}

func metricsOfStopped(ctx context.Context, s *Session) error {
	spec, err := s.makeStopped(ctx)
	if err != nil {
		return err
	}
	_, stopped := s.client.GetInstanceMetrics(ctx, spec.ID)
	_, absent := s.client.GetInstanceMetrics(ctx, s.runner.NewID())
	return errors.Join(
		reason("metrics of what is stopped", stopped, fault.BadState),
		reason("metrics of what is not there", absent, fault.NoSuchObject),
	)
}
