// SPDX-License-Identifier: Apache-2.0

package store

import (
	"database/sql"
	"errors"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

const handleNoun = "backend handle"

// BackendHandle implements core.Tx.
func (t *tx) BackendHandle(provider, object string) ([]byte, error) {
	var handle []byte
	err := t.db.NewSelect().Table("backend_handles").Column("handle").
		Where("provider = ? AND object = ?", provider, object).Scan(t.ctx, &handle)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, mapErr(err, handleNoun, fault.NameTaken)
	}
	return handle, nil
}

// SetBackendHandle implements core.Tx.
func (t *tx) SetBackendHandle(provider, object string, handle []byte) error {
	var err error
	if len(handle) == 0 {
		_, err = t.db.NewDelete().Table("backend_handles").Where("provider = ? AND object = ?", provider, object).Exec(t.ctx)
	} else {
		row := map[string]any{"provider": provider, "object": object, "handle": handle}
		_, err = t.db.NewInsert().Model(&row).Table("backend_handles").
			On("CONFLICT (provider, object) DO UPDATE").Set("handle = EXCLUDED.handle").Exec(t.ctx)
	}
	if err != nil {
		return mapErr(err, handleNoun, fault.NameTaken)
	}
	return nil
}

// dropBackendHandles removes those of a provider.
func (t *tx) dropBackendHandles(provider string) error {
	_, err := t.db.NewDelete().Table("backend_handles").Where("provider = ?", provider).Exec(t.ctx)
	return err
}
