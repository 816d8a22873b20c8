// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// OperatorTokenFile is the name of the operator's token file in the state directory.
const OperatorTokenFile = "operator.token"

// Open reads the operator's token from the state directory, and makes it at the first start. It refuses a file that
// others may read, and one that holds no token: a cut off token must not silently lock the operator out.
func Open(dir string) (*Tokens, error) {
	path := filepath.Join(dir, OperatorTokenFile)
	token, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := write(path, newToken()); err != nil {
			return nil, err
		}
		token, err = read(path)
	}
	if err != nil {
		return nil, err
	}
	return &Tokens{known: []entry{{hash(token), Principal{Name: "operator"}}}}, nil
}

func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fault.New(fault.BadState, "the operator's token cannot be read: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fault.New(fault.BadState, "the operator's token cannot be read: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fault.New(fault.BadState, "%s may be read by others (%v): chmod 600 it", path, info.Mode().Perm())
	}
	raw := make([]byte, 4*tokenSize)
	n, err := f.Read(raw)
	token := strings.TrimSpace(string(raw[:n]))
	if err != nil || !wellFormed(token) {
		return "", fault.New(fault.BadState, "%s holds no token: restore it, or remove it to get a new one", path)
	}
	return token, nil
}

// write makes the file whole or not at all. If another process was faster, its token stands.
func write(path, token string) error {
	err := writeNew(path, token)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.New(fault.BadState, "the operator's token cannot be written: %w", err)
	}
	return nil
}

func writeNew(path, token string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), OperatorTokenFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
