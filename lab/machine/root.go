// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// enterRoot makes the machine's own file tree and makes it the root: the real one's below, a layer in memory above; fresh
// /proc, /sys, /dev, /run and /tmp; then the machine's directory, this program, and the binds.
func enterRoot(spec Spec) error {
	if err := makePrivate(); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	others, err := otherMounts()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	binds := []Bind{{Source: spec.Dir, Target: spec.Dir}, {Source: self, Target: Executable}}
	binds = append(binds, spec.Binds...)
	sources, err := openAll(binds) // they are out of sight later
	if err != nil {
		return err
	}
	if err := layer(filepath.Join(spec.Dir, "root"), others); err != nil {
		return err
	}
	if err := fresh(); err != nil {
		return err
	}
	for i, b := range binds {
		if err := bind(sources[i], b.Target); err != nil {
			return fmt.Errorf("bind %s: %w", b.Target, err)
		}
	}
	return nil
}

// makePrivate cuts the new mount namespace off from the one that it is a copy of. In a chroot that is not a mount itself,
// it has to be said of the mount that the chroot lies in, which is out of sight: so this goes up there, and comes back.
func makePrivate() error {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	here, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer closeAll([]int{here})
	if err := leaveChroot(here); err != nil {
		return err
	}
	err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	return errors.Join(err, unix.Fchdir(here), unix.Chroot("."), unix.Chdir("/"))
}

// leaveChroot makes the namespace's own root the root: with a root that is below the current directory, nothing stops
// the way up.
func leaveChroot(here int) error {
	if err := unix.Chroot("/proc"); err != nil {
		return err
	}
	if err := unix.Fchdir(here); err != nil {
		return err
	}
	const deep = 256 // more than any path has components; at the top, up is nowhere
	for range deep {
		if err := unix.Chdir(".."); err != nil {
			return err
		}
	}
	return unix.Chroot(".")
}

// layer mounts the overlay in at and changes the root to it.
func layer(at string, others []string) error {
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", at, err)
	}
	if err := os.Chdir(at); err != nil {
		return err
	}
	for _, d := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("overlay", "merged", "overlay", 0, "lowerdir=/,upperdir=upper,workdir=work"); err != nil {
		return fmt.Errorf("mount overlay: %w", err)
	}
	for _, path := range others {
		if err := unix.Mount(path, "merged"+path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", path, err)
		}
	}
	if err := devices("merged/dev"); err != nil {
		return err
	}
	if err := os.Chdir("merged"); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return os.Chdir("/")
}

// devices makes a /dev with what every Linux has, and nothing of the real machine's hardware.
func devices(dev string) error {
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return fmt.Errorf("mount /dev: %w", err)
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "net/tun"} {
		target := filepath.Join(dev, name)
		if err := makeFile(target); err != nil {
			return err
		}
		if err := unix.Mount(filepath.Join("/dev", name), target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind /dev/%s: %w", name, err)
		}
	}
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2",
	} {
		if err := os.Symlink(target, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	return errors.Join(os.Mkdir(filepath.Join(dev, "pts"), 0o755), os.Mkdir(filepath.Join(dev, "shm"), 0o755))
}

// fresh mounts what no two machines may share.
func fresh() error {
	for _, m := range []struct{ kind, target, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"tmpfs", "/run", "mode=755"},
		{"tmpfs", "/tmp", "mode=1777"},
		{"devpts", "/dev/pts", "mode=620,ptmxmode=666,gid=5"},
		{"tmpfs", "/dev/shm", "mode=1777"},
	} {
		if err := unix.Mount(m.kind, m.target, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return os.Mkdir("/run/lock", 0o777|os.ModeSticky)
}

// otherMounts lists the directories of the real machine that are file systems of their own and belong in every machine:
// /home, /usr, /var where they are separate. They are shared as they are.
func otherMounts() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var others []string
	for line := range strings.Lines(string(text)) {
		path := unescape(strings.Fields(line)[4])
		top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		switch top {
		case "", "proc", "sys", "dev", "run", "tmp", "etc":
			continue
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			others = append(others, path)
		}
	}
	return others, nil
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func openAll(binds []Bind) ([]int, error) {
	var fds []int
	for _, b := range binds {
		fd, err := unix.Open(b.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("bind %s: %w", b.Source, err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// bind mounts what a descriptor refers to on target, which it makes.
func bind(fd int, target string) error {
	defer closeAll([]int{fd})
	source := "/proc/self/fd/" + strconv.Itoa(fd)
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else {
		err = makeFile(target)
	}
	if err != nil {
		return err
	}
	return unix.Mount(source, target, "", unix.MS_BIND, "")
}

func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}
