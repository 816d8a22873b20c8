// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// mapErr turns a database's error into a fault. taken is the reason for what must be unique and is not.
func mapErr(err error, noun string, taken fault.Reason) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return failed("the database failed", err)
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return takenFault(noun, taken, takenColumn(e))
	case sqlite3.SQLITE_BUSY:
		return &fault.Error{Code: fault.Aborted, Reason: fault.Busy, Message: "the database is busy", Err: err}
	}
	return failed("the database failed", err)
}

func takenFault(noun string, taken fault.Reason, column string) error {
	f := fault.New(taken, "the %s's %s is taken", noun, strings.ReplaceAll(column, "_", " ")).With("column", column)
	if column == "name" {
		f.Fields = []fault.FieldViolation{{Field: "/name", Description: "taken by another " + noun}}
	}
	return f
}

// takenColumn returns the last column of the violated constraint. SQLite names the columns in the message only
// ("UNIQUE constraint failed: networks.project, networks.name"); nothing is decided by it.
func takenColumn(e *sqlite.Error) string {
	message, _, _ := strings.Cut(e.Error(), " (")
	if i := strings.LastIndexByte(message, '.'); i >= 0 {
		return message[i+1:]
	}
	return "key"
}
