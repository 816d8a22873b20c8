// SPDX-License-Identifier: Apache-2.0

package resttest

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
)

type events struct{ *Cloud }

// emit adds an event; the caller holds the lock.
func (c *Cloud) emit(kind, project string, ref core.ResourceRef) {
	c.events = append(c.events, core.Event{
		Position: int64(len(c.events) + 1), At: c.now(), Type: kind, Project: project, Resource: ref,
	})
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c events) Subscribe(ctx context.Context, after int64, project string) (<-chan core.Event, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if project != "" {
		p, err := c.projects.find("", project)
		if err != nil {
			return nil, err
		}
		project = p.ID
	}
	out := make(chan core.Event)
	go c.feed(ctx, after, project, out)
	return out, nil
}

func (c events) feed(ctx context.Context, after int64, project string, out chan<- core.Event) {
	defer close(out)
	for {
		c.mu.Lock()
		all, changed := c.events, c.changed
		c.mu.Unlock()
		for _, e := range all {
			if e.Position <= after || (project != "" && e.Project != project) {
				continue
			}
			select {
			case out <- e:
				after = e.Position
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
