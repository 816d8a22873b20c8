// SPDX-License-Identifier: Apache-2.0

package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Sizes of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

// columns are a row's values by column, besides its document. nil is NULL: absent, and not part of any uniqueness.
type columns map[string]any

// kind says how values of type T are kept.
type kind[T any] struct {
	table   string
	noun    string
	id      func(T) string
	columns func(T) columns
	// by says with which condition a field of core.Query selects; a field without one selects nothing.
	by selectors
	// taken is the reason when something unique is taken; NameTaken if empty.
	taken fault.Reason
	// document is the value that is kept as JSON, load its opposite; both nil for the value itself.
	document func(T) any
	load     func([]byte) (T, error)
	// inserted, updated and deleted maintain rows in other tables. They may be nil.
	inserted func(*tx, T) error
	updated  func(*tx, T) error
	deleted  func(*tx, string) error
}

// selector is a field of core.Query.
type selector int

const (
	byProject selector = iota
	byName
	byParent
	byShared
	byInstance
	byOpen
	byDue
)

type selectors map[selector]string

// table is a core.Table of one transaction.
type table[T any] struct {
	tx   *tx
	kind *kind[T]
}

func (t table[T]) Get(id string) (T, error) {
	rows, err := t.load(t.tx.db.NewSelect().Table(t.kind.table).Column("document").Where("id = ?", id))
	if err == nil && len(rows) == 0 {
		err = t.unknown(id)
	}
	if err != nil {
		var none T
		return none, err
	}
	return rows[0], nil
}

func (t table[T]) Find(q core.Query) ([]T, error) {
	s := t.tx.db.NewSelect().Table(t.kind.table).Column("document").Order("id").Limit(pageSize(q.Limit))
	if q.After != "" {
		s = s.Where("id > ?", q.After)
	}
	for _, c := range asked(q) {
		condition, ok := t.kind.by[c.by]
		if !ok {
			return nil, nil
		}
		s = s.Where(condition, c.value)
	}
	return t.load(s)
}

func (t table[T]) Insert(row T) error {
	values, err := t.values(row)
	if err != nil {
		return err
	}
	if _, err := t.tx.db.NewInsert().Model(&values).Table(t.kind.table).Exec(t.tx.ctx); err != nil {
		return t.fault(err)
	}
	if t.kind.inserted == nil {
		return nil
	}
	return t.fault(t.kind.inserted(t.tx, row))
}

func (t table[T]) Update(row T) error {
	values, err := t.values(row)
	if err != nil {
		return err
	}
	id := t.kind.id(row)
	res, err := t.tx.db.NewUpdate().Model(&values).Table(t.kind.table).Where("id = ?", id).Exec(t.tx.ctx)
	if err != nil {
		return t.fault(err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return t.fault(err)
	} else if n == 0 {
		return t.unknown(id)
	}
	if t.kind.updated == nil {
		return nil
	}
	return t.fault(t.kind.updated(t.tx, row))
}

func (t table[T]) Delete(id string) error {
	if _, err := t.tx.db.NewDelete().Table(t.kind.table).Where("id = ?", id).Exec(t.tx.ctx); err != nil {
		return t.fault(err)
	}
	if t.kind.deleted == nil {
		return nil
	}
	return t.fault(t.kind.deleted(t.tx, id))
}

// load runs s, which selects documents.
func (t table[T]) load(s *bun.SelectQuery) ([]T, error) {
	var documents []string
	if err := s.Scan(t.tx.ctx, &documents); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, t.fault(err)
	}
	rows := make([]T, len(documents))
	for i, d := range documents {
		row, err := t.kind.decode([]byte(d))
		if err != nil {
			return nil, failed("a stored "+t.kind.noun+" cannot be read", err)
		}
		rows[i] = row
	}
	return rows, nil
}

// values returns the whole row.
func (t table[T]) values(row T) (map[string]any, error) {
	document, err := json.Marshal(t.kind.encode(row))
	if err != nil {
		return nil, failed("this "+t.kind.noun+" cannot be stored", err)
	}
	values := map[string]any(t.kind.columns(row))
	values["id"] = t.kind.id(row)
	values["document"] = string(document)
	return values, nil
}

func (t table[T]) unknown(id string) error {
	return fault.New(fault.UnknownResource, "there is no %s %q", t.kind.noun, id).With(t.kind.noun, id)
}

func (t table[T]) fault(err error) error {
	if err == nil {
		return nil
	}
	taken := t.kind.taken
	if taken == "" {
		taken = fault.NameTaken
	}
	return mapErr(err, t.kind.noun, taken)
}

func (k *kind[T]) encode(row T) any {
	if k.document == nil {
		return row
	}
	return k.document(row)
}

func (k *kind[T]) decode(document []byte) (T, error) {
	if k.load != nil {
		return k.load(document)
	}
	var row T
	err := json.Unmarshal(document, &row)
	return row, err
}

// condition is one field of a query that selects.
type condition struct {
	by    selector
	value any
}

func asked(q core.Query) []condition {
	var all []condition
	for _, c := range []condition{
		{byProject, q.Project}, {byName, q.Name}, {byParent, q.Parent}, {byShared, q.Shared}, {byInstance, q.Instance},
	} {
		if c.value != "" {
			all = append(all, c)
		}
	}
	if q.Open {
		all = append(all, condition{byOpen, 1})
	}
	if !q.DueBy.IsZero() {
		all = append(all, condition{byDue, micros(q.DueBy)})
	}
	return all
}

func pageSize(limit int) int64 {
	if limit <= 0 {
		return defaultPage
	}
	return int64(min(limit, maxPage))
}

// micros is a time as columns hold it; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
