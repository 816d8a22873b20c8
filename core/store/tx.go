// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"

	"github.com/uptrace/bun"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// tx is one transaction.
type tx struct {
	ctx     context.Context
	db      bun.IDB
	now     core.Clock
	emitted bool
}

var _ core.Tx = (*tx)(nil)

func (t *tx) Projects() core.Table[core.Project]     { return table[core.Project]{t, &projects} }
func (t *tx) Images() core.Table[core.Image]         { return table[core.Image]{t, &images} }
func (t *tx) Networks() core.Table[core.Network]     { return table[core.Network]{t, &networks} }
func (t *tx) Ports() core.Table[core.Port]           { return table[core.Port]{t, &ports} }
func (t *tx) Peers() core.Table[core.Peer]           { return table[core.Peer]{t, &peers} }
func (t *tx) Instances() core.Table[core.Instance]   { return table[core.Instance]{t, &instances} }
func (t *tx) Hosts() core.Table[core.Host]           { return table[core.Host]{t, &hosts} }
func (t *tx) Routers() core.Table[core.Router]       { return table[core.Router]{t, &routers} }
func (t *tx) Fabrics() core.Table[core.Fabric]       { return table[core.Fabric]{t, &fabrics} }
func (t *tx) Providers() core.Table[core.Provider]   { return table[core.Provider]{t, &providers} }
func (t *tx) JoinTokens() core.Table[core.JoinToken] { return table[core.JoinToken]{t, &joinTokens} }
func (t *tx) Operations() core.Table[core.Operation] { return table[core.Operation]{t, &operations} }

func (t *tx) NextFence() (uint64, error) {
	return t.fence("UPDATE fence SET value = value + 1 RETURNING value")
}

func (t *tx) Fence() (uint64, error) {
	return t.fence("SELECT value FROM fence")
}

func (t *tx) fence(query string) (uint64, error) {
	var value int64
	if err := t.db.NewRaw(query).Scan(t.ctx, &value); err != nil {
		return 0, mapErr(err, "fence", fault.NameTaken)
	}
	return uint64(value), nil
}

func (t *tx) Setting(key string) (string, error) {
	var value string
	err := t.db.NewSelect().Table("settings").Column("value").Where("key = ?", key).Scan(t.ctx, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", mapErr(err, "setting", fault.NameTaken)
	}
	return value, nil
}

func (t *tx) SetSetting(key, value string) error {
	row := map[string]any{"key": key, "value": value}
	_, err := t.db.NewInsert().Model(&row).Table("settings").
		On("CONFLICT (key) DO UPDATE").Set("value = EXCLUDED.value").Exec(t.ctx)
	if err != nil {
		return mapErr(err, "setting", fault.NameTaken)
	}
	return nil
}

// setAddresses makes addresses the ones that owner, a port or a peer, has on the network.
func (t *tx) setAddresses(network, owner string, addresses []string) error {
	if err := t.freeAddresses(owner); err != nil {
		return err
	}
	for _, a := range addresses {
		canonical, err := netip.ParseAddr(a)
		if err != nil {
			return &fault.Error{Code: fault.Internal, Reason: fault.Bug, Message: "not an address: " + a, Err: err}
		}
		row := map[string]any{"network": network, "address": canonical.String(), "owner": owner}
		if _, err := t.db.NewInsert().Model(&row).Table("addresses").Exec(t.ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) freeAddresses(owner string) error {
	_, err := t.db.NewDelete().Table("addresses").Where("owner = ?", owner).Exec(t.ctx)
	return err
}
