// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// behind runs a hook on one object, behind the provider's back.
func (s *Session) behind(ctx context.Context, name, command string, k kind, o provider.Observed) error {
	_, err := s.hook(ctx, name, command, "RHYZOME_KIND="+string(k.name), "RHYZOME_ID="+o.ID, "RHYZOME_REF="+o.BackendRef)
	return err
}

// goneBehind removes an object while a watch shows it. What is asked then tells the truth, and it can be made again.
func goneBehind(ctx context.Context, s *Session) error {
	if s.params.Hooks.Remove == "" {
		s.limit("the parameters have no hook remove")
		return nil
	}
	k, d, err := s.anyMade(ctx)
	if err != nil {
		return err
	}
	o, err := k.get(ctx, s.client, d.tag.ID)
	if err != nil {
		return err
	}
	err = s.watch(ctx, "what somebody removed, as removed", func(e wire.Event) error {
		switch {
		case e.SnapshotEnd:
			return errors.Join(s.behind(ctx, "remove", s.params.Hooks.Remove, k, o), s.absent(ctx, k, o.ID))
		case e.Removed != nil && e.Removed.Kind == k.name && e.Removed.ID == o.ID:
			return errSeen
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := s.make(ctx, k, d); err != nil {
		return fmt.Errorf("the Apply that makes it again: %w", err)
	}
	return s.once(ctx, k, d.tag)
}

func renamedBehind(ctx context.Context, s *Session) error {
	if s.params.Hooks.Rename == "" {
		s.limit("the parameters have no hook rename")
		return nil
	}
	k, d, err := s.anyMade(ctx)
	if err != nil {
		return err
	}
	o, err := k.get(ctx, s.client, d.tag.ID)
	if err != nil {
		return err
	}
	if err := s.behind(ctx, "rename", s.params.Hooks.Rename, k, o); err != nil {
		return err
	}
	_, before, err := s.listed(ctx, k, o.ID)
	if err != nil {
		return err
	}
	if err := s.ready(ctx, k, d.tag); err != nil {
		return fmt.Errorf("after it was renamed: %w", err)
	}
	d.tag = asGeneration(d.tag, 2)
	if _, err := s.make(ctx, k, d); err != nil {
		return fmt.Errorf("the next generation of what was renamed: %w", err)
	}
	_, after, err := s.listed(ctx, k, o.ID)
	if err == nil && after != before {
		err = fmt.Errorf("there were %d objects, and after the Apply of what was renamed there are %d", before, after)
	}
	return errors.Join(err, s.once(ctx, k, d.tag), s.vanished(ctx, k, d.tag))
}
