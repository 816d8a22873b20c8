// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Add copies a binary of this machine, and runs it as a provider from now on, with config (a JSON object; nil for an empty
// one). InvalidField when the binary cannot be read or is not the one with that SHA-256 (hexadecimal), NameTaken. What
// was refused leaves nothing behind.
func (l *Providers) Add(ctx context.Context, name, binary, sum string, config json.RawMessage) (core.Provider, error) {
	sum = strings.ToLower(sum)
	problems := append(core.New{Name: name}.Check(), checkBinary(binary, sum)...)
	if err := fault.Join(problems...); err != nil {
		return core.Provider{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.NewID()
	dir := filepath.Join(l.Dir, id)
	if err := copyBinary(binary, dir, sum); err != nil {
		return core.Provider{}, err
	}
	if err := writeConfig(dir, config); err != nil {
		return core.Provider{}, errors.Join(err, os.RemoveAll(dir))
	}
	p, err := l.Registrar.AddLocal(ctx, id, name, core.LocalProvider{Binary: binary, SHA256: sum})
	if err != nil {
		if err := os.RemoveAll(dir); err != nil {
			l.Log.Error("cannot remove a binary that was not taken", "path", dir, "error", err)
		}
		return core.Provider{}, err
	}
	l.start(p)
	l.Log.Info("provider added", "provider", p.Name, "binary", binary, "sha256", sum)
	return p, nil
}
