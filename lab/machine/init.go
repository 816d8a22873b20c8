// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	lockFD   = 3 // held open for as long as the init lives
	reportFD = 4 // one word for the starter: ready, or what went wrong
	ready    = "ready"
)

var initArgs = []string{"lab", "init"}

// Executable is where this very program is found inside every machine.
const Executable = "/usr/libexec/rhyzome-lab"

// insideDir is a link to the machine's directory, inside it.
const insideDir = "/run/machine"

// Init becomes the init of a machine, and does not return, if the program was started as `PROGRAM lab init` by Start. It
// is to be the first call of main.
func Init() {
	if len(os.Args) != 3 || !slices.Equal(os.Args[1:], initArgs) || os.Getpid() != 1 {
		return
	}
	report := os.NewFile(reportFD, "report")
	unix.CloseOnExec(lockFD)
	unix.CloseOnExec(reportFD)
	s, err := boot()
	if err != nil {
		fmt.Fprintln(report, err)
		os.Exit(1)
	}
	ignoreSignals()
	// A starter that is gone does not read this; the machine stays all the same.
	fmt.Fprint(report, ready)
	report.Close()
	s.serve()
	os.Exit(1)
}

// boot does what must be done before the first service.
func boot() (*supervisor, error) {
	var spec Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return nil, err
	}
	unix.Umask(0o022)
	if err := writeState(spec); err != nil {
		return nil, err
	}
	if err := unix.Sethostname([]byte(spec.Name)); err != nil {
		return nil, fmt.Errorf("hostname: %w", err)
	}
	if err := enterRoot(spec); err != nil {
		return nil, err
	}
	if err := writeFiles(spec); err != nil {
		return nil, err
	}
	if err := setSysctls(spec.Sysctls); err != nil {
		return nil, err
	}
	if err := loopbackUp(); err != nil {
		return nil, err
	}
	return newSupervisor(spec.Dir)
}

func writeFiles(spec Spec) error {
	files := map[string]string{
		"/etc/hostname":   spec.Name + "\n",
		"/etc/hosts":      "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 " + spec.Name + "\n",
		"/etc/machine-id": spec.MachineID + "\n",
	}
	for path, content := range spec.Files {
		files[path] = content
	}
	for path, content := range files {
		if err := replaceFile(path, content); err != nil {
			return err
		}
	}
	return os.Symlink(spec.Dir, insideDir)
}

// replaceFile writes a file where a symbolic link to somewhere else (resolv.conf) may be.
func replaceFile(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(content, "#!") {
		mode = 0o755
	}
	return os.WriteFile(path, []byte(content), mode)
}

func setSysctls(values map[string]string) error {
	for key, value := range values {
		path := "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return fmt.Errorf("sysctl: %w", err)
		}
	}
	return nil
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// ignoreSignals receives what would end a Go program and lets it be. (Ignoring them would be inherited by the services.)
func ignoreSignals() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE)
}

// environment returns that of a process in a machine.
func environment(more []string) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"LANG=C.UTF-8",
	}
	return append(env, more...)
}
