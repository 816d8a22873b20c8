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

// writeConfig keeps a configuration; none if there is none.
func writeConfig(dir string, config json.RawMessage) error {
	if config == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, configFile), config, 0o600)
}

// readConfig returns what writeConfig kept; nil if there is none.
func readConfig(dir string) (json.RawMessage, error) {
	config, err := os.ReadFile(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return config, err
}
