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

// kind is one kind of resource. All have the same verbs, so most cases are written once for all.
type kind struct {
	name   provider.Kind
	prefix string // of the ids of its cases
	needs  string
	// draft makes what a new object stands on, and returns how to apply it.
	draft  func(context.Context, *Session) (draft, error)
	get    func(context.Context, *wire.Client, string) (provider.Observed, error)
	delete func(context.Context, *wire.Client, uint64, provider.Tag) (bool, provider.Observed, error)
	list   func(context.Context, *wire.Client) ([]provider.Observed, error)
	event  func(wire.Event) *provider.Observed // nil if the event is of another kind
}

// draft is a spec with a tag to put on it.
type draft struct {
	tag   provider.Tag
	apply func(context.Context, *wire.Client, uint64, provider.Tag) (provider.Observed, error)
	spec  func(provider.Tag) provider.AnySpec
}

// id makes the id of a case of the kind.
func (k kind) id(rest string) string { return k.prefix + "-" + rest }

// drafted gives a case a draft to work with.
func (k kind) drafted(run func(context.Context, *Session, kind, draft) error) func(context.Context, *Session) error {
	return func(ctx context.Context, s *Session) error {
		d, err := k.draft(ctx, s)
		if err != nil {
			return err
		}
		return run(ctx, s, k, d)
	}
}

func kinds() []kind {
	return []kind{instanceKind(), networkKind(), portKind(), peerKind(), forwardKind(), volumeKind(), snapshotKind()}
}

// offeredKind returns a kind that the provider offers: for cases that any kind will do for.
func (s *Session) offeredKind() (kind, error) {
	for _, k := range kinds() {
		if s.description.Offers(k.needs) {
			return k, nil
		}
	}
	return kind{}, errors.New("the provider offers no kind of resource")
}

func instanceKind() kind {
	return kind{
		name: provider.KindInstance, prefix: "INSTANCE", needs: wire.ServiceCompute,
		draft: func(_ context.Context, s *Session) (draft, error) { return applyInstance(s.instanceSpec()), nil },
		get: func(ctx context.Context, c *wire.Client, id string) (provider.Observed, error) {
			i, err := c.GetInstance(ctx, id)
			return i.Observed, err
		},
		delete: func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (bool, provider.Observed, error) {
			return c.DeleteInstance(ctx, fence, tag)
		},
		list: func(ctx context.Context, c *wire.Client) ([]provider.Observed, error) {
			all, err := c.ListInstances(ctx)
			return observed(all, func(i provider.Instance) provider.Observed { return i.Observed }), err
		},
		event: func(e wire.Event) *provider.Observed {
			if e.Instance == nil {
				return nil
			}
			return &e.Instance.Observed
		},
	}
}

func networkKind() kind {
	return kind{
		name: provider.KindNetwork, prefix: "NETWORK", needs: wire.ServiceNetwork,
		draft: func(_ context.Context, s *Session) (draft, error) { return applyNetwork(s.networkSpec()), nil },
		get: func(ctx context.Context, c *wire.Client, id string) (provider.Observed, error) {
			n, err := c.GetNetwork(ctx, id)
			return n.Observed, err
		},
		delete: func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (bool, provider.Observed, error) {
			return c.DeleteNetwork(ctx, fence, tag)
		},
		list: func(ctx context.Context, c *wire.Client) ([]provider.Observed, error) {
			all, err := c.ListNetworks(ctx)
			return observed(all, func(n provider.Network) provider.Observed { return n.Observed }), err
		},
		event: func(e wire.Event) *provider.Observed {
			if e.Network == nil {
				return nil
			}
			return &e.Network.Observed
		},
	}
}

func portKind() kind {
	return kind{
		name: provider.KindPort, prefix: "PORT", needs: wire.ServiceNetwork,
		draft: func(ctx context.Context, s *Session) (draft, error) {
			n, err := s.makeNetwork(ctx)
			return applyPort(s.portSpec(n)), err
		},
		get: func(ctx context.Context, c *wire.Client, id string) (provider.Observed, error) {
			p, err := c.GetPort(ctx, id)
			return p.Observed, err
		},
		delete: func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (bool, provider.Observed, error) {
			return c.DeletePort(ctx, fence, tag)
		},
		list: func(ctx context.Context, c *wire.Client) ([]provider.Observed, error) {
			all, err := c.ListPorts(ctx)
			return observed(all, func(p provider.Port) provider.Observed { return p.Observed }), err
		},
		event: func(e wire.Event) *provider.Observed {
			if e.Port == nil {
				return nil
			}
			return &e.Port.Observed
		},
	}
}

func peerKind() kind {
	return kind{
		name: provider.KindPeer, prefix: "PEER", needs: wire.CapabilityPeers,
		draft: func(ctx context.Context, s *Session) (draft, error) {
			n, err := s.makeNetwork(ctx)
			if err != nil {
				return draft{}, err
			}
			spec, err := s.peerSpec(n)
			return applyPeer(spec), err
		},
		get: func(ctx context.Context, c *wire.Client, id string) (provider.Observed, error) {
			p, err := c.GetPeer(ctx, id)
			return p.Observed, err
		},
		delete: func(ctx context.Context, c *wire.Client, fence uint64, tag provider.Tag) (bool, provider.Observed, error) {
			return c.DeletePeer(ctx, fence, tag)
		},
		list: func(ctx context.Context, c *wire.Client) ([]provider.Observed, error) {
			all, err := c.ListPeers(ctx)
			return observed(all, func(p provider.Peer) provider.Observed { return p.Observed }), err
		},
		event: func(e wire.Event) *provider.Observed {
			if e.Peer == nil {
				return nil
			}
			return &e.Peer.Observed
		},
	}
}

func observed[T any](all []T, of func(T) provider.Observed) []provider.Observed {
	var out []provider.Observed
	for _, o := range all {
		out = append(out, of(o))
	}
	return out
}

// apply sends an Apply. The object is swept when the case ends.
func (s *Session) apply(ctx context.Context, k kind, d draft, tag provider.Tag) (provider.Observed, error) {
	s.remember(k, tag)
	return d.apply(ctx, s.client, s.nextFence(), tag)
}

// make applies a draft, and waits until it is ready.
func (s *Session) make(ctx context.Context, k kind, d draft) (provider.Observed, error) {
	return s.makeAs(ctx, k, d, d.tag)
}

func (s *Session) makeAs(ctx context.Context, k kind, d draft, tag provider.Tag) (provider.Observed, error) {
	o, err := s.apply(ctx, k, d, tag)
	if err != nil {
		return o, fmt.Errorf("apply of %s: %w", k.name, err)
	}
	return s.settle(ctx, k, tag, o)
}

// refused applies a draft, which must be refused, or fail later on, with a reason.
func (s *Session) refused(ctx context.Context, what string, k kind, d draft, want fault.Reason) error {
	o, err := s.apply(ctx, k, d, d.tag)
	if err == nil {
		_, err = s.settle(ctx, k, d.tag, o)
	}
	return reason(what, err, want)
}

// settle waits until an object is ready in the wanted generation.
func (s *Session) settle(ctx context.Context, k kind, tag provider.Tag, o provider.Observed) (provider.Observed, error) {
	err := s.until(ctx, fmt.Sprintf("%s %s ready", k.name, tag.ID), func(ctx context.Context) (bool, error) {
		switch o.Phase {
		case provider.PhaseFailed:
			return false, fmt.Errorf("the work on %s %s failed: %w", k.name, tag.ID, failure(o))
		case provider.PhaseReady:
			return true, same(k, o, tag)
		}
		var err error
		o, err = k.get(ctx, s.client, tag.ID)
		return false, err
	})
	return o, err
}

// failure is what a failed object says, which it must.
func failure(o provider.Observed) error {
	if o.Failure == nil {
		return errors.New("and it does not say why")
	}
	return o.Failure
}

// same checks that an object bears the tag that it was given.
func same(k kind, o provider.Observed, tag provider.Tag) error {
	if o.ID != tag.ID || o.Generation != tag.Generation || o.SpecDigest != tag.SpecDigest {
		return fmt.Errorf("the %s says that it is %s, generation %d, digest %q; it must be %s, generation %d, digest %q",
			k.name, o.ID, o.Generation, o.SpecDigest, tag.ID, tag.Generation, tag.SpecDigest)
	}
	return nil
}

// remove deletes an object, and waits until nothing is left of it.
func (s *Session) remove(ctx context.Context, k kind, tag provider.Tag) error {
	gone, _, err := k.delete(ctx, s.client, s.nextFence(), tag)
	if err != nil || gone {
		return err
	}
	return within(ctx, s.params.DeleteTimeout, fmt.Sprintf("%s %s gone", k.name, tag.ID), func(ctx context.Context) (bool, error) {
		o, err := k.get(ctx, s.client, tag.ID)
		switch {
		case errors.Is(err, &fault.Error{Reason: fault.NoSuchObject}):
			return true, nil
		case err != nil:
			return false, err
		case o.Phase != provider.PhaseDeleting:
			return false, fmt.Errorf("it is deleted, and says %q: %w", o.Phase, failure(o))
		}
		return false, nil
	})
}

// listed returns all objects of an id, and how many objects of the kind there are.
func (s *Session) listed(ctx context.Context, k kind, id string) (found []provider.Observed, total int, err error) {
	all, err := k.list(ctx, s.client)
	for _, o := range all {
		if o.ID == id {
			found = append(found, o)
		}
	}
	return found, len(all), err
}

// once checks that an object is listed exactly once, with its tag.
func (s *Session) once(ctx context.Context, k kind, tag provider.Tag) error {
	found, _, err := s.listed(ctx, k, tag.ID)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("the %s is listed %d times; it must be once", k.name, len(found))
	}
	return same(k, found[0], tag)
}

// absent checks that nothing is left of an object.
func (s *Session) absent(ctx context.Context, k kind, id string) error {
	_, err := k.get(ctx, s.client, id)
	if err := reason("get of what is not there", err, fault.NoSuchObject); err != nil {
		return err
	}
	found, _, err := s.listed(ctx, k, id)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("what is not there is listed: %+v", found[0])
	}
	return nil
}
