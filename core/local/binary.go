// SPDX-License-Identifier: Apache-2.0

package local

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// maxBinary is the largest program that is taken.
const maxBinary = 1 << 30

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// checkBinary says what is wrong with a request before anything is read.
func (l *Providers) checkBinary(b core.NewBinary) (problems []*fault.Error) {
	if !filepath.IsAbs(b.Binary) {
		problems = append(problems, fault.Invalid("/binary", "%q is not an absolute path on the core's machine", b.Binary))
	}
	if !hexSum.MatchString(b.SHA256) {
		problems = append(problems, fault.Invalid("/sha256", "%q is not a SHA-256 in hexadecimal; sha256sum prints it", b.SHA256))
	}
	switch {
	case len(l.Keys) > 0 && len(b.Signature) == 0:
		problems = append(problems, fault.Invalid("/signature", "is missing: this core takes only signed plugins"))
	case len(l.Keys) == 0 && len(b.Signature) > 0:
		problems = append(problems, fault.Invalid("/signature", "cannot be checked: this core has no key (plugin_keys in server.yaml)"))
	}
	return problems
}

// signed checks the signature of a program, where there are keys.
func (l *Providers) signed(program string, signature []byte) error {
	if len(l.Keys) == 0 {
		return nil
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(l.Keys, func(key ed25519.PublicKey) bool { return ed25519.Verify(key, content, signature) }) {
		return fault.Invalid("/signature", "is not that of this file with any of the core's keys (plugin_keys in server.yaml)")
	}
	return nil
}

// copyBinary copies a program to dir/SHA256, mode 0700, if it is the one that was asked for. Otherwise dir is as it was
// before.
func (l *Providers) copyBinary(b core.NewBinary, dir string) (err error) {
	path, sum := b.Binary, b.SHA256
	from, err := openBinary(path)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer func() { _ = os.Remove(dir) }() // if it is empty
	to, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(to.Name()) }() // if it is still there
	measured := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, measured), io.LimitReader(from, maxBinary+1))
	if err := errors.Join(err, to.Sync(), to.Chmod(0o700), to.Close()); err != nil {
		return fmt.Errorf("cannot copy %s: %w", path, err)
	}
	if n > maxBinary {
		return fault.Invalid("/binary", "%s has more than %d bytes", path, maxBinary)
	}
	if got := hex.EncodeToString(measured.Sum(nil)); got != sum {
		return fault.Invalid("/sha256", "%s has the SHA-256 %s", path, got)
	}
	if err := l.signed(to.Name(), b.Signature); err != nil {
		return err
	}
	return os.Rename(to.Name(), filepath.Join(dir, sum))
}

// openBinary opens a program; nothing that could block.
func openBinary(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Invalid("/binary", "cannot be read on the core's machine: %v", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.Invalid("/binary", "%s is not a file", path)
	}
	if info.Mode().Perm()&0o111 == 0 {
		return nil, fault.Invalid("/binary", "%s is not executable: chmod +x it, if it is the plugin", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Invalid("/binary", "cannot be read on the core's machine: %v", err)
	}
	return f, nil
}
