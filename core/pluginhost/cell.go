// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hashicorp/go-plugin"
)

// cell is where one life of a child takes place: a copy of its plugin that only it may run and nobody may change, and
// a directory of its own for its socket and what it needs while it lives. All of it goes with the process; of a core that
// was killed, with the next start of one.
type cell struct {
	dir  string
	uid  int      // 0 for the core's own user
	lock *os.File // held while the core lives; nil where files cannot be locked
}

// cellPrefix begins the names of cells, in the directory for temporary files: that of the core's data is closed to children.
const cellPrefix = "rhyzome-"

// newCell makes a cell. The caller closes it.
func newCell(uid int) (*cell, error) {
	if os.Geteuid() != 0 {
		uid = 0
	}
	dir, err := os.MkdirTemp("", cellPrefix)
	if err != nil {
		return nil, err
	}
	c := &cell{dir: dir, uid: uid}
	err = errors.Join(os.Mkdir(c.home(), 0o700), c.own(c.home(), uid), c.own(dir, 0), os.Chmod(dir, 0o750))
	if err == nil {
		c.lock, err = lockCell(dir)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cell) home() string   { return filepath.Join(c.dir, "home") }
func (c *cell) plugin() string { return filepath.Join(c.dir, "plugin") }

// own gives a file to a user and to the child's group.
func (c *cell) own(path string, uid int) error {
	if c.uid == 0 {
		return nil
	}
	return os.Chown(path, uid, c.uid)
}

// take copies the plugin.
func (c *cell) take(path string) (err error) {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(c.plugin(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o550)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("cannot copy the plugin: %w", err)
	}
	return errors.Join(c.own(c.plugin(), 0), os.Chmod(c.plugin(), 0o550))
}

// verify compares the copy with what the plugin should be; nil for whatever it is.
func (c *cell) verify(checksum *plugin.SecureConfig) error {
	if checksum == nil {
		return nil
	}
	same, err := checksum.Check(c.plugin())
	if err == nil && !same {
		return plugin.ErrChecksumsDoNotMatch
	}
	return err
}

// command returns the plugin's command, with nothing of the core's environment. The end of life kills it.
func (c *cell) command(life context.Context, env []string) *exec.Cmd {
	cmd := exec.CommandContext(life, c.plugin())
	cmd.Cancel = func() error {
		killGroup(cmd)
		return cmd.Process.Kill()
	}
	cmd.Dir = c.home()
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + c.home(), "TMPDIR=" + c.home(),
	}, env...)
	cmd.Env = append(cmd.Env, plugin.EnvUnixSocketDir+"="+c.home()) // not go-plugin's, which is closed to the child's user
	confine(cmd, c.uid)
	return cmd
}

func (c *cell) close() error {
	err := os.RemoveAll(c.dir)
	if c.lock != nil {
		err = errors.Join(err, c.lock.Close())
	}
	return err
}
