// SPDX-License-Identifier: Apache-2.0

package store

import (
	"time"

	"github.com/uptrace/bun"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// keptEvents is how many of the newest events are kept.
const keptEvents = 100_000

// eventRow is an event in its table.
type eventRow struct {
	bun.BaseModel `bun:"table:events"`
	Position      int64 `bun:",pk,autoincrement"`
	At            int64
	Type          string
	Project       string
	ResourceKind  string
	ResourceID    string
	ResourceName  string
	Message       string
}

// Emit gives the event the next position. Writers follow one another and a failed one takes its positions back, so the
// order of positions is the order of commits: a reader that has seen one never finds a smaller one later.
func (t *tx) Emit(e core.Event) error {
	if e.At.IsZero() {
		e.At = t.now()
	}
	row := eventRow{
		At: micros(e.At), Type: e.Type, Project: e.Project, Message: e.Message,
		ResourceKind: e.Resource.Kind, ResourceID: e.Resource.ID, ResourceName: e.Resource.Name,
	}
	if _, err := t.db.NewInsert().Model(&row).Exec(t.ctx); err != nil {
		return mapErr(err, "event", fault.NameTaken)
	}
	t.emitted = true
	if row.Position%1000 != 0 {
		return nil
	}
	if _, err := t.db.NewDelete().Table("events").Where("position <= ?", row.Position-keptEvents).Exec(t.ctx); err != nil {
		return mapErr(err, "event", fault.NameTaken)
	}
	return nil
}

func (t *tx) Events(after int64, limit int) ([]core.Event, error) {
	var rows []eventRow
	err := t.db.NewSelect().Model(&rows).Where("position > ?", after).Order("position").Limit(pageSize(limit)).Scan(t.ctx)
	if err != nil {
		return nil, mapErr(err, "event", fault.NameTaken)
	}
	events := make([]core.Event, len(rows))
	for i, r := range rows {
		events[i] = core.Event{
			Position: r.Position, At: time.UnixMicro(r.At).UTC(), Type: r.Type, Project: r.Project, Message: r.Message,
			Resource: core.ResourceRef{Kind: r.ResourceKind, ID: r.ResourceID, Name: r.ResourceName},
		}
	}
	return events, nil
}
