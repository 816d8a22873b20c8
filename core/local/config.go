// SPDX-License-Identifier: Apache-2.0

package local

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// configFile holds a provider's configuration beside its binary: it may hold secrets, so it is not in the database that
// others read, and is never shown.
const configFile = "config.json"

// writeConfig keeps a configuration, all of it or none; nothing if there is none.
func writeConfig(dir string, config json.RawMessage) error {
	if config == nil {
		return nil
	}
	f, err := os.CreateTemp(dir, ".new-") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // if it is still there
	_, err = f.Write(config)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, configFile))
}

// readConfig returns what writeConfig kept; an empty object if there is nothing.
func readConfig(dir string) (json.RawMessage, error) {
	config, err := os.ReadFile(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return json.RawMessage("{}"), nil
	}
	return config, err
}
