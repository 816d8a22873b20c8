// SPDX-License-Identifier: Apache-2.0

// Package endtoend tests the whole system in the lab: one lab for all tests, made by the command that users run.
package endtoend_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/lab"
	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/sdk/client"
)

// own are the bridges, veths and tuns of the real machine, which it had before the tests.
var own []string

// one is the lab that all tests share.
var one struct {
	*lab.Lab
	dir string
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("/var/lib", "rhyzome-endtoend-")
	if err != nil {
		return broken(err)
	}
	defer os.RemoveAll(dir)
	if own, err = links(); err != nil {
		return broken(err)
	}
	// The lab of the tests is one that was killed half way, and made again.
	err = killHalfWay(dir)
	if err == nil {
		_, err = rhyzome(os.Stdout, "lab", "up", "--dir", dir)
	}
	if err != nil {
		_, downErr := rhyzome(os.Stdout, "lab", "down", "--dir", dir)
		return broken(errors.Join(err, downErr))
	}
	if one.Lab, err = lab.New(dir, binaries(), io.Discard); err != nil {
		return broken(err)
	}
	one.dir = dir
	code := m.Run()
	if _, err := rhyzome(os.Stdout, "lab", "down", "--dir", dir); err != nil {
		return broken(err)
	}
	if left, err := traces(dir); err != nil || left != "" {
		return broken(errors.Join(err, fmt.Errorf("lab down left something behind:\n%s", left)))
	}
	return code
}

// killHalfWay runs `lab up` until it makes the router, and kills it there (SIGKILL).
func killHalfWay(dir string) error {
	cmd := exec.Command(filepath.Join(binaries(), "rhyzome"), "lab", "up", "--dir", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Println(lines.Text())
		if strings.HasSuffix(lines.Text(), "router behind a NAT") {
			return nil
		}
	}
	return errors.Join(errors.New("lab up ended before it made the router"), lines.Err())
}

func broken(err error) int {
	fmt.Fprintln(os.Stderr, "end to end:", err)
	return 1
}

func binaries() string {
	path, err := filepath.Abs("../../bin")
	if err != nil {
		panic(err)
	}
	return path
}

// rhyzome runs the command and returns what it printed, also to echo.
func rhyzome(echo io.Writer, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(filepath.Join(binaries(), "rhyzome"), args...)
	cmd.Stdout = io.MultiWriter(&out, echo)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("rhyzome %s: %w", strings.Join(args, " "), err)
	}
	return out.String(), err
}

// traces lists what there is of a lab on the real machine: its directory, processes that were started from there or see
// it mounted (everything inside a machine does), and interfaces in the root namespace that are not the machine's own.
func traces(dir string) (string, error) {
	out, err := exec.Command("sh", "-c", `
		ls -d "$1" 2>/dev/null
		for p in /proc/[0-9]*; do
			[ "$p" = "/proc/$$" ] || [ "$p" = "/proc/$PPID" ] && continue
			tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -F "$1"
			grep -qF "$1" $p/mountinfo 2>/dev/null && echo "$p sees it: $(tr '\0' ' ' <$p/cmdline)"
		done
		true
	`, "sh", dir).Output()
	if err != nil {
		return "", err
	}
	now, err := links()
	left := slices.DeleteFunc(now, func(l string) bool { return slices.Contains(own, l) })
	return string(out) + strings.Join(left, "\n"), err
}

// links names the bridges, veths and tuns in the root namespace.
func links() ([]string, error) {
	out, err := exec.Command("sh", "-c", "for t in veth bridge tun; do ip -o link show type $t; done | cut -d: -f2").Output()
	return strings.Fields(string(out)), err
}

// limit bounds a test; it ends before the test binary's own.
func limit(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func api(ctx context.Context, t *testing.T) *client.Client {
	t.Helper()
	c, err := one.API(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func onMachine(ctx context.Context, t *testing.T, name string) *machine.Machine {
	t.Helper()
	m, err := one.Machine(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sh runs a command on one of the lab's machines.
func sh(ctx context.Context, t *testing.T, name, command string) string {
	t.Helper()
	out, err := onMachine(ctx, t, name).Run(ctx, "sh", "-c", command)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
