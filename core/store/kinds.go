// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

var projects = kind[core.Project]{
	table: "projects", noun: "project",
	id:      func(p core.Project) string { return p.ID },
	columns: func(p core.Project) columns { return columns{"name": p.Name} },
	by:      selectors{byName: "name = ?"},
}

var images = kind[core.Image]{
	table: "images", noun: "image",
	id:      func(i core.Image) string { return i.ID },
	columns: func(i core.Image) columns { return columns{"project": i.Project, "name": i.Name} },
	by:      selectors{byProject: "project = ?", byName: "name = ?"},
}

var networks = kind[core.Network]{
	table: "networks", noun: "network",
	id: func(n core.Network) string { return n.ID },
	columns: func(n core.Network) columns {
		c := columns{
			"project": n.Project, "name": n.Name, "router": text(n.Status.Router), "listen_port": nil,
			"fabric": text(n.Status.Fabric), "segment": number(n.Status.SegmentID),
		}
		if n.Status.WireGuard != nil {
			c["listen_port"] = number(n.Status.WireGuard.ListenPort)
		}
		return c
	},
	by:       selectors{byProject: "project = ?", byName: "name = ?", byParent: "router = ?"},
	inserted: useHandle,
}

// useHandle records the network's handle for ever.
func useHandle(t *tx, n core.Network) error {
	row := map[string]any{"handle": n.Status.Handle, "network": n.ID}
	_, err := t.db.NewInsert().Model(&row).Table("network_handles").Exec(t.ctx)
	return err
}

var ports = kind[core.Port]{
	table: "ports", noun: "port",
	id: func(p core.Port) string { return p.ID },
	columns: func(p core.Port) columns {
		return columns{"network": p.Network, "instance": text(p.Instance), "mac": text(p.MAC)}
	},
	by:       selectors{byParent: "network = ?", byInstance: "instance = ?"},
	inserted: func(t *tx, p core.Port) error { return t.setAddresses(p.Network, p.ID, p.Addresses) },
	updated:  func(t *tx, p core.Port) error { return t.setAddresses(p.Network, p.ID, p.Addresses) },
	deleted:  (*tx).freeAddresses,
}

var peers = kind[core.Peer]{
	table: "peers", noun: "peer",
	id: func(p core.Peer) string { return p.ID },
	columns: func(p core.Peer) columns {
		return columns{"project": p.Project, "network": p.Network, "name": p.Name, "public_key": text(p.Spec.PublicKey)}
	},
	by:       selectors{byProject: "project = ?", byName: "name = ?", byParent: "network = ?"},
	inserted: func(t *tx, p core.Peer) error { return t.setAddresses(p.Network, p.ID, p.Status.Addresses) },
	updated:  func(t *tx, p core.Peer) error { return t.setAddresses(p.Network, p.ID, p.Status.Addresses) },
	deleted:  (*tx).freeAddresses,
}

var instances = kind[core.Instance]{
	table: "instances", noun: "instance",
	id: func(i core.Instance) string { return i.ID },
	columns: func(i core.Instance) columns {
		return columns{"project": i.Project, "name": i.Name, "host": text(i.Status.Host)}
	},
	by: selectors{byProject: "project = ?", byName: "name = ?", byParent: "host = ?"},
}

var hosts = kind[core.Host]{
	table: "hosts", noun: "host",
	id: func(h core.Host) string { return h.ID },
	columns: func(h core.Host) columns {
		return columns{"name": h.Name, "provider": h.Provider, "backend_id": h.BackendID}
	},
	by: selectors{byName: "name = ?", byParent: "provider = ?"},
}

var routers = kind[core.Router]{
	table: "routers", noun: "router",
	id: func(r core.Router) string { return r.ID },
	columns: func(r core.Router) columns {
		return columns{"name": r.Name, "provider": r.Provider, "backend_id": r.BackendID}
	},
	by: selectors{byName: "name = ?", byParent: "provider = ?"},
}

var fabrics = kind[core.Fabric]{
	table: "fabrics", noun: "fabric",
	id:      func(f core.Fabric) string { return f.ID },
	columns: func(f core.Fabric) columns { return columns{"name": f.Name} },
	by:      selectors{byName: "name = ?"},
}

var providers = kind[core.Provider]{
	table: "providers", noun: "provider",
	id:      func(p core.Provider) string { return p.ID },
	columns: func(p core.Provider) columns { return columns{"name": p.Name} },
	by:      selectors{byName: "name = ?"},
	deleted: (*tx).dropBackendHandles,
}

var joinTokens = kind[core.JoinToken]{
	table: "join_tokens", noun: "join token",
	id: func(j core.JoinToken) string { return j.ID },
	columns: func(j core.JoinToken) columns {
		c := columns{"provider": j.Provider, "secret_hash": j.SecretHash}
		if j.UsedAt != nil {
			c["secret_hash"] = usedHash + j.SecretHash // so that RedeemToken finds the unused ones alone
		}
		return c
	},
	by: selectors{byParent: "provider = ?"},
}

// usedHash begins the column secret_hash of a token that was redeemed.
const usedHash = "used:"

// RedeemToken implements core.Tx.
func (t *tx) RedeemToken(token core.JoinToken) error {
	tokens := table[core.JoinToken]{t, &joinTokens}
	values, err := tokens.values(token)
	if err != nil {
		return err
	}
	res, err := t.db.NewUpdate().Model(&values).Table(joinTokens.table).
		Where("id = ? AND secret_hash = ?", token.ID, token.SecretHash).Exec(t.ctx)
	if err != nil {
		return tokens.fault(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return tokens.fault(err)
	}
	return fault.New(fault.TokenUsed, "the join token was redeemed before")
}

// text and number make absent values NULL.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func number(n int) any {
	if n == 0 {
		return nil
	}
	return n
}
