// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core/pluginhost"
)

// What a child started, and what left its process group, holds the child's output open: the core waits for none of it.
func TestAChildIsRestartedWhateverItLeft(t *testing.T) {
	for name, uid := range map[string]int{"as the core's user": 0, "as a user of its own": 0x7268_0008} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			notes, err := os.MkdirTemp("", "notes") // t.TempDir is closed to others
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(notes) })
			if err := os.Chmod(notes, 0o777); err != nil {
				t.Fatal(err)
			}
			memory := filepath.Join(notes, "memory")
			program, err := os.ReadFile(buildMemory(t))
			if err == nil {
				err = os.WriteFile(memory, program, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			script := writeScript(t, fmt.Sprintf(`setsid sleep 1000 &
echo $! >> %[1]s/left
setsid sleep 1000 </dev/null >/dev/null 2>&1 &
echo $! >> %[1]s/independent
echo $HOME >> %[1]s/homes
echo $$ >> %[1]s/pids
exec %[1]s/memory
`, notes))
			id, stop := r.keepChild("local", pluginhost.Child{Path: script, UID: uid})
			t.Cleanup(func() { killAll(t, filepath.Join(notes, "independent")) })
			t.Cleanup(func() { killAll(t, filepath.Join(notes, "left")) })
			r.waitReady(id)
			left, independent := lastPID(t, filepath.Join(notes, "left")), lastPID(t, filepath.Join(notes, "independent"))
			if err := syscall.Kill(lastPID(t, filepath.Join(notes, "pids")), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			r.log.wait(t, 1, "process ended")
			r.waitReady(id)
			gone(t, left)
			if err := syscall.Kill(independent, 0); err != nil {
				t.Errorf("what has its own output was ended too: %v", err)
			}
			left = lastPID(t, filepath.Join(notes, "left"))
			ended := make(chan error, 1)
			go func() { ended <- stop() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("KeepChild: %v", err)
				}
			case <-time.After(patience):
				t.Fatal("the core does not stop")
			}
			gone(t, left)
			homes, err := os.ReadFile(filepath.Join(notes, "homes"))
			if err != nil {
				t.Fatal(err)
			}
			for _, home := range strings.Fields(string(homes)) {
				if _, err := os.Stat(filepath.Dir(home)); !os.IsNotExist(err) {
					t.Errorf("%s is still there: %v", filepath.Dir(home), err)
				}
			}
		})
	}
}

// killAll kills the processes that a file lists.
func killAll(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	for _, word := range strings.Fields(string(text)) {
		var pid int
		if _, err := fmt.Sscan(word, &pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
