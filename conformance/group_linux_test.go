// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/conformance/internal/tail"
)

// What the programs of these tests start: it says who it is, and floods.
const (
	floodsStdout = `sh -c 'echo $$ > "$0.new"; mv "$0.new" "$0.pid"; exec yes "{\"@level\":\"error\""' "$0" &`
	floodsStderr = `sh -c 'echo $$ > "$0.new"; mv "$0.new" "$0.pid"; echo nonsense; exec yes >&2' "$0" &`
)

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "provider")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// started waits for what a script starts, and returns its process. Asked again, it waits for the next one.
func started(t *testing.T, script string) int {
	t.Helper()
	wait(t, "the flood does not start", func() bool { _, err := os.Stat(script + ".pid"); return err == nil })
	text, err := os.ReadFile(script + ".pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err := errors.Join(err, os.Remove(script+".pid")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	return pid
}

// gone waits until there is no such process, or a dead one that nobody has reaped.
func gone(t *testing.T, pid int) {
	t.Helper()
	wait(t, "what the program started lives on", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func wait(t *testing.T, otherwise string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal(otherwise)
		}
	}
}

// What a child starts ends with it; what escapes keeps nobody waiting.
func TestChildThatFloods(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script  string
		escapes bool
	}{
		"stdout":                     {script: floodsStdout + " wait"},
		"stdout, having ended":       {script: floodsStdout},
		"stderr":                     {script: floodsStderr + " wait"},
		"stdout, in its own session": {script: "setsid " + floodsStdout + " wait", escapes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child := &Child{Path: script(t, c.script)}
			if _, err := child.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "does not serve") {
				t.Error(err)
			}
			if err := child.Close(); err != nil {
				t.Error(err)
			}
			if pid := started(t, child.Path); !c.escapes {
				gone(t, pid)
			}
		})
	}
}

func TestAttachedThatFloods(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script  string
		escapes bool
	}{
		"stderr":                     {script: floodsStderr},
		"stderr, in its own session": {script: "setsid " + floodsStderr, escapes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attached := &Attached{Path: script(t, c.script), Address: "127.0.0.1:0", Dir: t.TempDir(), Stderr: &tail.Tail{}}
			if err := attached.join(t.Context()); err != nil {
				t.Fatal(err)
			}
			joined := started(t, attached.Path)
			if err := attached.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			pid := started(t, attached.Path)
			if err := attached.Close(); err != nil {
				t.Error(err)
			}
			if !c.escapes {
				gone(t, joined)
				gone(t, pid)
			}
		})
	}
}
