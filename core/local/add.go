// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Add copies a binary of this machine, and runs it as a provider from now on. InvalidField when the binary cannot be read,
// is not the one with that SHA-256, or is not signed as it should be; NameTaken. What was refused leaves nothing behind.
func (l *Providers) Add(ctx context.Context, name string, b core.NewBinary) (core.Provider, error) {
	b.SHA256 = strings.ToLower(b.SHA256)
	problems := append(core.New{Name: name}.Check(), l.checkBinary(b)...)
	if err := fault.Join(problems...); err != nil {
		return core.Provider{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.NewID()
	dir := filepath.Join(l.Dir, id)
	if err := l.copyBinary(b, dir); err != nil {
		return core.Provider{}, err
	}
	if err := writeConfig(dir, b.Config); err != nil {
		return core.Provider{}, errors.Join(err, os.RemoveAll(dir))
	}
	p, err := l.Registrar.AddLocal(ctx, id, name, core.LocalProvider{Binary: b.Binary, SHA256: b.SHA256})
	if err != nil {
		if err := os.RemoveAll(dir); err != nil {
			l.Log.Error("cannot remove a binary that was not taken", "path", dir, "error", err)
		}
		return core.Provider{}, err
	}
	l.start(p, l.child(p))
	l.Log.Info("provider added", "provider", p.Name, "binary", b.Binary, "sha256", b.SHA256)
	return p, nil
}
