// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"errors"
	"io"
	"os"
)

// keptOutput is how much of what a program says is kept at least, and half of how much at most.
const keptOutput = 1 << 20

const oldSuffix = ".old"

// output keeps what a program says: in a file, and, when that is full, the one before it.
type output struct {
	path string
	file *os.File
	size int64
	done chan error
}

// newOutput returns what the program writes to. The caller closes it when the program has it.
func newOutput(path string) (*output, *os.File, error) {
	o := &output{path: path, done: make(chan error, 1)}
	if err := o.open(); err != nil {
		return nil, nil, err
	}
	said, write, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, o.file.Close())
	}
	go func() {
		_, err := io.Copy(o, said)
		o.done <- errors.Join(err, said.Close(), o.file.Close())
	}()
	return o, write, nil
}

func (o *output) open() (err error) {
	if o.file, err = os.OpenFile(o.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return err
	}
	o.size, err = o.file.Seek(0, io.SeekEnd)
	return err
}

// Write implements io.Writer. What cannot be kept is lost: the program is not to wait for it.
func (o *output) Write(p []byte) (int, error) {
	if o.size > keptOutput && os.Rename(o.path, o.path+oldSuffix) == nil {
		o.file.Close()
		_ = o.open() // or nothing more is kept
	}
	n, _ := o.file.Write(p)
	o.size += int64(n)
	return len(p), nil
}

// wait returns when the last process that could say something has ended.
func (o *output) wait() error { return <-o.done }
