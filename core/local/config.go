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

// beforeFile holds the configuration from before an upgrade that brings its own, until the row says which version it is.
const beforeFile = configFile + ".before"

// writeConfig keeps a configuration, all of it or none; nothing if there is none.
func writeConfig(dir string, config json.RawMessage) error {
	if config == nil {
		return nil
	}
	return writeWhole(dir, configFile, config)
}

// exchangeConfig is writeConfig for a new version. restoreConfig takes it back, forgetConfig makes it last.
func exchangeConfig(dir string, config json.RawMessage) error {
	if config == nil {
		return forgetConfig(dir)
	}
	before, err := readConfig(dir)
	if err != nil {
		return err
	}
	if err := writeWhole(dir, beforeFile, before); err != nil {
		return err
	}
	return writeWhole(dir, configFile, config)
}

func restoreConfig(dir string) error {
	return ifThere(os.Rename(filepath.Join(dir, beforeFile), filepath.Join(dir, configFile)))
}

func forgetConfig(dir string) error { return ifThere(os.Remove(filepath.Join(dir, beforeFile))) }

func ifThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func writeWhole(dir, name string, content []byte) error {
	f, err := os.CreateTemp(dir, ".new-") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // if it is still there
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

// readConfig returns what writeConfig kept; an empty object if there is nothing.
func readConfig(dir string) (json.RawMessage, error) {
	config, err := os.ReadFile(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return json.RawMessage("{}"), nil
	}
	return config, err
}
