// SPDX-License-Identifier: Apache-2.0

package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// maxBinary is the largest program that is taken.
const maxBinary = 1 << 30

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// checkBinary says what is wrong with a path and a digest before anything is read.
func checkBinary(path, sum string) (problems []*fault.Error) {
	if !filepath.IsAbs(path) {
		problems = append(problems, fault.Invalid("/binary", "%q is not an absolute path on the core's machine", path))
	}
	if !hexSum.MatchString(sum) {
		problems = append(problems, fault.Invalid("/sha256", "%q is not a SHA-256 in hexadecimal; sha256sum prints it", sum))
	}
	return problems
}

// copyBinary copies a program to dir/sum, mode 0700, if that is its SHA-256. Otherwise dir is as it was before.
func copyBinary(path, dir, sum string) (err error) {
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
