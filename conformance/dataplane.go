// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/rhyzome/rhyzome/conformance/probe"
)

// DataplaneParams says from where the profile dataplane looks at two networks: it runs a probe at each of four places.
type DataplaneParams struct {
	// SegmentA and SegmentB are the ids of the segments that the guests are plugged into. Nobody else uses them.
	SegmentA int `yaml:"segment_a"`
	SegmentB int `yaml:"segment_b"`
	// Router is the address at which the outside reaches the router.
	Router netip.Addr `yaml:"router"`
	// Patience with a lease, a packet or an answer that must come; 0 for 15 seconds.
	Patience time.Duration `yaml:"patience"`
	// Pause that an established flow may make at most; 0 for ten seconds.
	Pause time.Duration `yaml:"pause"`

	GuestA1 Place `yaml:"guest_a1"`
	GuestA2 Place `yaml:"guest_a2"`
	GuestB  Place `yaml:"guest_b"`
	// Outside is a machine on the router's outside. Address is its own there.
	Outside Place `yaml:"outside"`
}

// Place is where a probe runs.
type Place struct {
	// Command runs `rhyzome-conformance probe` there: behind ip netns exec, ssh, or what else leads there.
	Command []string `yaml:"command"`
	// Interface of a guest that is plugged into the segment; of the outside, the one that leads to the router.
	Interface string     `yaml:"interface"`
	Address   netip.Addr `yaml:"address"`
}

// places are the probes that run. MACs are those of the guests' interfaces.
type places struct {
	a1, a2, b, outside *probe.Client
	mac                map[*probe.Client]string
}

// openPlaces starts the probes.
func (s *Session) openPlaces(ctx context.Context) error {
	d := s.params.Dataplane
	if d.SegmentA == 0 || d.SegmentB == 0 {
		return errors.New("the profile dataplane needs the parameter dataplane: where guests and the outside are (rhyzome-conformance schema)")
	}
	s.places = &places{mac: map[*probe.Client]string{}}
	for _, p := range []struct {
		name string
		Place
		probe **probe.Client
	}{
		{"guest_a1", d.GuestA1, &s.places.a1}, {"guest_a2", d.GuestA2, &s.places.a2},
		{"guest_b", d.GuestB, &s.places.b}, {"outside", d.Outside, &s.places.outside},
	} {
		client, err := probe.Start(ctx, p.Command)
		if err != nil {
			return errors.Join(fmt.Errorf("dataplane.%s: %w", p.name, err), s.closePlaces())
		}
		*p.probe = client
	}
	return nil
}

// closePlaces ends the probes.
func (s *Session) closePlaces() error {
	if s.places == nil {
		return nil
	}
	var wrong []error
	for _, p := range []*probe.Client{s.places.a1, s.places.a2, s.places.b, s.places.outside} {
		if p != nil {
			wrong = append(wrong, p.Close())
		}
	}
	s.places = nil
	return errors.Join(wrong...)
}
