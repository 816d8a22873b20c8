// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// bootID is another one after each boot of the machine.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it, nothing is taken for another boot
	return strings.TrimSpace(string(id))
}

// processes of the machine.
func processes() []int {
	entries, _ := os.ReadDir("/proc") // what can be read
	var all []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// children of a process.
func children(parent int) []int {
	var all []int
	for _, pid := range processes() {
		if stat, err := readStat(pid); err == nil && stat.parent == parent {
			all = append(all, pid)
		}
	}
	return all
}

// killStrays ends the processes that have an instance's marker, until there are none. It is for those whose supervisor
// was killed.
func killStrays(id string) {
	for {
		strays := marked(id)
		if len(strays) == 0 {
			return
		}
		for _, pid := range strays {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// marked are the processes with an instance's marker. Of those that have ended, nothing can be read.
func marked(id string) []int {
	var all []int
	for _, pid := range processes() {
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && bytes.Contains(append([]byte{0}, environment...), []byte("\x00"+marker(id)+"\x00")) {
			all = append(all, pid)
		}
	}
	return all
}

// stat is what the kernel says of a process, of /proc/PID/stat (man proc_pid_stat).
type stat struct {
	parent int
	ticks  int64 // of processors, with those of the children that it waited for
	pages  int64 // in memory
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name, in parentheses, may hold anything. After it come state (3) and the numbers from 4 on.
	_, rest, ok := bytes.Cut(text[bytes.LastIndexByte(text, ')')+1:], []byte(" "))
	fields := strings.Fields(string(rest))
	if !ok || len(fields) < 22 {
		return stat{}, fmt.Errorf("process %d says %q", pid, text)
	}
	number := func(n int) int64 {
		v, _ := strconv.ParseInt(fields[n-3], 10, 64)
		return v
	}
	return stat{
		parent: int(number(4)), ticks: number(14) + number(15) + number(16) + number(17), pages: number(24),
	}, nil
}
