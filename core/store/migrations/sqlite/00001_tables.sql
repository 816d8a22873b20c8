-- SPDX-License-Identifier: Apache-2.0
--
-- A row is a JSON document; beside it stand the columns that are queried or must be unique. In a UNIQUE constraint the
-- last column is what can be taken, those before it are where. NULL is not part of any uniqueness.
-- Times are microseconds since 1970, UTC.

-- +goose Up
CREATE TABLE projects (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE images (
    id       TEXT NOT NULL PRIMARY KEY,
    project  TEXT NOT NULL,
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (project, name)
) STRICT;
CREATE INDEX images_of_project ON images (project, id);

CREATE TABLE networks (
    id          TEXT NOT NULL PRIMARY KEY,
    project     TEXT NOT NULL,
    name        TEXT NOT NULL,
    router      TEXT,
    listen_port INTEGER,
    fabric      TEXT,
    segment     INTEGER,
    document    TEXT NOT NULL,
    UNIQUE (project, name),
    UNIQUE (router, listen_port),
    UNIQUE (fabric, segment)
) STRICT;
CREATE INDEX networks_of_project ON networks (project, id);
CREATE INDEX networks_of_router ON networks (router, id);

-- Handles of networks are never used again: rows of this table are never deleted.
CREATE TABLE network_handles (
    handle  TEXT NOT NULL PRIMARY KEY,
    network TEXT NOT NULL
) STRICT;

CREATE TABLE ports (
    id       TEXT NOT NULL PRIMARY KEY,
    network  TEXT NOT NULL,
    instance TEXT,
    mac      TEXT UNIQUE,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX ports_of_network ON ports (network, id);
CREATE INDEX ports_of_instance ON ports (instance, id);

CREATE TABLE peers (
    id         TEXT NOT NULL PRIMARY KEY,
    project    TEXT NOT NULL,
    network    TEXT NOT NULL,
    name       TEXT NOT NULL,
    public_key TEXT,
    document   TEXT NOT NULL,
    UNIQUE (network, name),
    UNIQUE (network, public_key)
) STRICT;
CREATE INDEX peers_of_network ON peers (network, id);
CREATE INDEX peers_of_project ON peers (project, id);

-- The addresses of ports and peers, so that no two of either have the same one.
CREATE TABLE addresses (
    network TEXT NOT NULL,
    address TEXT NOT NULL,
    owner   TEXT NOT NULL,
    PRIMARY KEY (network, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX addresses_of_owner ON addresses (owner);

CREATE TABLE instances (
    id       TEXT NOT NULL PRIMARY KEY,
    project  TEXT NOT NULL,
    name     TEXT NOT NULL,
    host     TEXT,
    document TEXT NOT NULL,
    UNIQUE (project, name)
) STRICT;
CREATE INDEX instances_of_project ON instances (project, id);
CREATE INDEX instances_of_host ON instances (host, id);

CREATE TABLE hosts (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    provider   TEXT NOT NULL,
    backend_id TEXT NOT NULL,
    document   TEXT NOT NULL,
    UNIQUE (provider, backend_id)
) STRICT;

CREATE TABLE routers (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    provider   TEXT NOT NULL,
    backend_id TEXT NOT NULL,
    document   TEXT NOT NULL,
    UNIQUE (provider, backend_id)
) STRICT;

CREATE TABLE fabrics (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE providers (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE join_tokens (
    id          TEXT NOT NULL PRIMARY KEY,
    provider    TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    document    TEXT NOT NULL
) STRICT;
CREATE INDEX join_tokens_of_provider ON join_tokens (provider, id);

CREATE TABLE operations (
    id          TEXT NOT NULL PRIMARY KEY,
    project     TEXT NOT NULL,
    resource    TEXT NOT NULL,
    open        INTEGER NOT NULL CHECK (open IN (0, 1)),
    run_at      INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    document    TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX operations_hold_resource ON operations (resource) WHERE open = 1;
CREATE INDEX operations_open ON operations (id) WHERE open = 1;
CREATE INDEX operations_of_project ON operations (project, id);
CREATE INDEX operations_of_resource ON operations (resource, id);

CREATE TABLE operation_parents (
    operation TEXT NOT NULL,
    parent    TEXT NOT NULL,
    PRIMARY KEY (parent, operation)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: positions only rise, also after the newest events were deleted.
CREATE TABLE events (
    position      INTEGER PRIMARY KEY AUTOINCREMENT,
    at            INTEGER NOT NULL,
    type          TEXT NOT NULL,
    project       TEXT NOT NULL,
    resource_kind TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    resource_name TEXT NOT NULL,
    message       TEXT NOT NULL
) STRICT;

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- One row: the fence that was drawn last.
CREATE TABLE fence (
    one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO fence (one, value) VALUES (1, 0);
