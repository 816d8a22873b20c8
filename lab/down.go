// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rhyzome/rhyzome/lab/machine"
)

// Down removes every trace of the lab: the machines with all that is in them, and the directory. What `make packages`
// installed stays.
func (l *Lab) Down(ctx context.Context) error {
	release, err := l.lock()
	if err != nil {
		return err
	}
	defer release()
	if err := l.clear(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(l.Dir); err != nil {
		return err
	}
	fmt.Fprintf(l.out, "removed the lab in %s; the Debian packages that it needed stay installed\n", l.Dir)
	return nil
}

// clear stops and removes every machine, whoever made it and however far it came. The lock file stays.
func (l *Lab) clear(ctx context.Context) error {
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		path := filepath.Join(l.Dir, e.Name())
		switch {
		case e.Name() == lockFile, e.Name() == guestDir:
			// The images cost much, and are made anew when their inputs change.
		case e.IsDir():
			errs = append(errs, machine.Remove(ctx, path))
		default:
			errs = append(errs, os.Remove(path))
		}
	}
	l.record, l.api = Record{}, nil
	return errors.Join(errs...)
}
