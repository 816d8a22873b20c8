// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
)

// journal is what a transaction that was broken off needs to be undone or finished: by the process that began it, or by
// the next one after a crash. It lies in a file with mode 0600, since sections hold private keys.
type journal struct {
	Changes map[string][]uci.Change `json:"changes"` // by configuration file
	Undo    []step                  `json:"undo"`
	Finish  []step                  `json:"finish,omitempty"` // set where something is removed: it is finished, not undone
	Effects effects                 `json:"effects"`
}

const journalFile = "transaction.json"

// creates tells whether the transaction makes an object that was not there.
func (j journal) creates() bool {
	for _, changes := range j.Changes {
		if slices.ContainsFunc(changes, func(c uci.Change) bool {
			return c.Before == "" && slices.Contains(j.Effects.Made, c.Section)
		}) {
			return true
		}
	}
	return false
}

// inverse returns the changes that take the files back.
func (j journal) inverse() map[string][]uci.Change {
	all := map[string][]uci.Change{}
	for name, changes := range j.Changes {
		all[name] = uci.Inverse(changes)
	}
	return all
}

// beginJournal writes it, before anything else is touched.
func (r *router) beginJournal(j journal) error {
	text, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return configFault(r.keep(journalFile, text))
}

// pendingJournal returns the journal of a transaction that did not end; nil if there is none.
func (r *router) pendingJournal() (*journal, error) {
	text, err := os.ReadFile(filepath.Join(r.state, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, configFault(err)
	}
	var j journal
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, configFault(fmt.Errorf("journal: %w", err))
	}
	return &j, nil
}

// endJournal makes the transaction final, or its undoing.
func (r *router) endJournal() error {
	if err := os.Remove(filepath.Join(r.state, journalFile)); err != nil {
		return configFault(err)
	}
	return configFault(syncDir(r.state))
}

// keep writes one of our own files, durably and at once.
func (r *router) keep(name string, content []byte) error {
	if err := os.MkdirAll(r.state, 0o700); err != nil {
		return err
	}
	path := filepath.Join(r.state, name)
	temp, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(r.state)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fsync(int(dir.Fd())), dir.Close())
}
