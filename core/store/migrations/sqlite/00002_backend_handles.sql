-- SPDX-License-Identifier: Apache-2.0

-- +goose Up

-- What a provider gave the core to remember of an object of its own.
CREATE TABLE backend_handles (
    provider TEXT NOT NULL,
    object   TEXT NOT NULL,
    handle   BLOB NOT NULL,
    PRIMARY KEY (provider, object)
) STRICT, WITHOUT ROWID;
