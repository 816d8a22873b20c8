// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// pollInterval is how often a case looks whether work is done.
const pollInterval = 5 * time.Millisecond

// Session is what a case works with: the provider, and whatever was made on it.
type Session struct {
	runner      Runner
	params      Params
	description wire.Description

	cc      grpc.ClientConnInterface
	calls   *journal
	client  *wire.Client
	dirty   bool     // the provider must be restarted before the next case
	limits  []string // what the parameters kept the case from doing in full
	foreign string   // what the hook says of foreign objects, before the first case
	fence   uint64
	made    []madeObject

	places *places // where probes run; nil in profiles without packets

	host    provider.Host
	router  provider.Router
	pool    provider.Pool
	image   provider.ImageRef
	network int // how many networks were made
	forward int // how many forwards were made
}

type madeObject struct {
	kind kind
	tag  provider.Tag
}

func newSession(r Runner) *Session {
	// Fences rise from run to run, also for a provider whose process goes on.
	params := r.Params.withDefaults()
	params.Timeout, params.DeleteTimeout = r.patience(params.Timeout), r.patience(params.DeleteTimeout)
	return &Session{runner: r, params: params, calls: &journal{}, fence: uint64(r.Now().UnixMicro())}
}

// begin connects, configures, and looks what there is to work on.
func (s *Session) begin(ctx context.Context) (err error) {
	if _, err := s.hook(ctx, "prepare", s.params.Hooks.Prepare); err != nil {
		return err
	}
	if s.foreign, err = s.hook(ctx, "foreign", s.params.Hooks.Foreign); err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	if s.description, err = s.client.Describe(ctx); err != nil {
		return fmt.Errorf("call of Describe: %w", err)
	}
	if err := s.Configure(ctx); err != nil {
		return fmt.Errorf("call of Configure: %w", err)
	}
	if s.description.Offers(wire.ServiceCompute) {
		if err := s.findHost(ctx); err != nil {
			return err
		}
	}
	if s.description.Offers(wire.CapabilityVolumes) {
		if err := s.findPool(ctx); err != nil {
			return err
		}
	}
	if s.description.Offers(wire.ServiceNetwork) {
		if err := s.findRouter(ctx); err != nil {
			return err
		}
	}
	if s.runner.Profile == Dataplane {
		return s.openPlaces(ctx)
	}
	return nil
}

func (s *Session) findHost(ctx context.Context) error {
	hosts, err := s.client.ListHosts(ctx)
	if err != nil {
		return fmt.Errorf("call of ListHosts: %w", err)
	}
	at := slices.IndexFunc(hosts, func(h provider.Host) bool {
		return s.params.Instance.Host == "" || h.ID == s.params.Instance.Host
	})
	if at < 0 {
		return errors.New("the provider lists no host to work on")
	}
	s.host = hosts[at]
	var content []byte
	if s.image, content, err = s.params.image(); err != nil {
		return err
	}
	if s.description.Offers(wire.CapabilityImages) {
		return s.ensureImage(ctx, s.image, content)
	}
	return nil
}

func (s *Session) findRouter(ctx context.Context) error {
	routers, err := s.client.ListRouters(ctx)
	if err != nil {
		return fmt.Errorf("call of ListRouters: %w", err)
	}
	at := slices.IndexFunc(routers, func(r provider.Router) bool {
		return s.params.Network.Router == "" || r.ID == s.params.Network.Router
	})
	if at < 0 {
		return errors.New("the provider lists no router to work on")
	}
	s.router = routers[at]
	if s.params.Network.Fabric == "" && len(s.router.Fabrics) > 0 {
		s.params.Network.Fabric = s.router.Fabrics[0]
	}
	return nil
}

// end removes the image that instances stood on, and looks whether anything is left.
func (s *Session) end(ctx context.Context) error {
	if s.dirty {
		if err := s.Restart(ctx); err != nil {
			return err
		}
	}
	left := []error{s.closePlaces()}
	if s.description.Offers(wire.CapabilityImages) && s.image.SHA256 != "" {
		if err := s.client.DeleteImage(ctx, s.image.SHA256); err != nil {
			left = append(left, fmt.Errorf("image %s: %w", s.image.SHA256, err))
		}
	}
	for _, k := range kinds() {
		ours, err := s.ours(ctx, k)
		if err != nil {
			left = append(left, err)
		}
		for _, o := range ours {
			left = append(left, fmt.Errorf("%s %s is listed", k.name, o.ID))
		}
	}
	seen, err := s.hook(ctx, "list_leftovers", s.params.Hooks.ListLeftovers)
	if err == nil && strings.TrimSpace(seen) != "" {
		err = fmt.Errorf("the hook list_leftovers: %s", strings.TrimSpace(seen))
	}
	return errors.Join(append(left, err)...)
}

// limit says what the parameters keep the case from. It goes on with what is possible.
func (s *Session) limit(format string, args ...any) {
	s.limits = append(s.limits, fmt.Sprintf(format, args...))
}

// atMost returns how many objects a case may make or calls it may send at once, of the number that it wants.
func (s *Session) atMost(want int) int {
	can := want
	for _, limit := range []int{s.params.Limits.Objects, s.params.Limits.Parallel} {
		if limit > 0 {
			can = min(can, limit)
		}
	}
	if can < want {
		s.limit("%d at a time instead of %d", can, want)
	}
	return can
}

func (s *Session) connect(ctx context.Context) error {
	cc, err := s.runner.Target.Connect(ctx)
	if err != nil {
		return err
	}
	s.cc = trace{cc, s.calls}
	s.client = wire.NewClient(s.cc)
	return nil
}

// Configure installs the parameters' configuration.
func (s *Session) Configure(ctx context.Context) error {
	config, err := s.params.config()
	if err != nil {
		return err
	}
	_, err = s.client.Configure(ctx, 1, config, s.fence)
	return err
}

// Restart kills the provider's process, and configures the new one.
func (s *Session) Restart(ctx context.Context) error {
	if err := s.restartBare(ctx); err != nil {
		return err
	}
	s.dirty = false
	return s.Configure(ctx)
}

// restartBare leaves the new process without configuration.
func (s *Session) restartBare(ctx context.Context) error {
	s.dirty = true
	if err := s.runner.Target.Restart(ctx); err != nil {
		return err
	}
	return s.connect(ctx)
}

// nextFence draws a fence, higher than all before.
func (s *Session) nextFence() uint64 {
	s.fence++
	return s.fence
}

// newTag makes a tag for a new object.
func (s *Session) newTag() provider.Tag {
	return provider.Tag{ID: s.runner.NewID(), Generation: 1, SpecDigest: digestPrefix + "1"}
}

// sweep removes all that the case made, last first. What hangs is given up with the process.
func (s *Session) sweep(ctx context.Context) error {
	var left []error
	for _, m := range slices.Backward(s.made) {
		err := s.remove(ctx, m.kind, m.tag)
		if err != nil && s.Restart(ctx) == nil {
			err = s.remove(ctx, m.kind, m.tag)
		}
		if err != nil {
			left = append(left, fmt.Errorf("%s %s is left behind: %w", m.kind.name, m.tag.ID, err))
		}
	}
	s.made = nil
	return errors.Join(left...)
}

// remember lets an object be swept, in the order in which objects were first applied: later ones may stand on it.
func (s *Session) remember(k kind, tag provider.Tag) {
	at := slices.IndexFunc(s.made, func(m madeObject) bool { return m.tag.ID == tag.ID })
	if at < 0 {
		s.made = append(s.made, madeObject{k, tag})
		return
	}
	s.made[at].tag = tag
}

// until calls f until it says that all is done, or the patience that the parameters ask for ends.
func (s *Session) until(ctx context.Context, what string, f func(context.Context) (done bool, err error)) error {
	return within(ctx, s.params.Timeout, what, f)
}

func within(ctx context.Context, patience time.Duration, what string, f func(context.Context) (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		done, err := f(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s", what, patience)
		}
	}
}

// reason checks that a call failed as the contract says.
func reason(what string, err error, want fault.Reason) error {
	if err == nil {
		return fmt.Errorf("%s: it succeeded, and must be refused with %s", what, want)
	}
	if got := fault.Of(err); got.Reason != want || got.Code != want.Code() {
		return fmt.Errorf("%s: refused with %q, code %d (%w); it must be %q, code %d", what, got.Reason, got.Code, err, want, want.Code())
	}
	return nil
}
