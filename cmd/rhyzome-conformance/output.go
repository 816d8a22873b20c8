// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/rhyzome/rhyzome/conformance"
)

// output is where a run's report goes.
type output struct {
	junit, report string
	key           ed25519.PrivateKey // nil for a report that is not signed
}

// output tries what the flags name before the run: it may take an hour, and would be for nothing.
func (f flags) output() (out output, err error) {
	out = output{junit: f.junit, report: f.report}
	if f.signKey != "" {
		if f.report == "" {
			return out, errors.New("--sign-key signs the YAML report: name its file too, with --report")
		}
		if out.key, err = conformance.LoadSigningKey(f.signKey); err != nil {
			return out, fmt.Errorf("--sign-key: %w", err)
		}
	}
	if err := tryFile(f.report); err != nil {
		return out, fmt.Errorf("--report: %w", err)
	}
	if err := tryFile(f.junit); err != nil {
		return out, fmt.Errorf("--junit: %w", err)
	}
	return out, nil
}

// tryFile tells whether a file can be written, and leaves what is there as it is.
func tryFile(path string) error {
	if path == "" {
		return nil
	}
	_, err := os.Stat(path)
	absent := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = file.Close()
	if absent {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// write writes the files.
func (o output) write(r conformance.Report) error {
	if o.junit != "" {
		if err := create(o.junit, r.WriteJUnit); err != nil {
			return err
		}
	}
	if o.report == "" {
		return nil
	}
	content, err := r.Marshal(o.key)
	if err != nil {
		return err
	}
	return os.WriteFile(o.report, content, 0o644)
}

func create(path string, content func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(content(file), file.Close())
}
