// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// tick is the unit of times in /proc/PID/stat, on all of Linux's architectures that Go knows.
const tick = 10 * time.Millisecond

// GetInstanceMetrics implements provider.Metrics, of the program itself and of those that it started and waited for.
func (p *Provider) GetInstanceMetrics(ctx context.Context, id string) (provider.InstanceMetrics, error) {
	h := p.home(id)
	if _, err := p.record(ctx, h); err != nil {
		return provider.InstanceMetrics{}, err
	}
	now, running, err := h.running()
	if err != nil {
		return provider.InstanceMetrics{}, backend(err)
	}
	if !running || now.PID == 0 {
		return provider.InstanceMetrics{}, notRunning(id)
	}
	used, err := readStat(now.PID)
	if err != nil {
		return provider.InstanceMetrics{}, notRunning(id)
	}
	m := provider.InstanceMetrics{
		Since: now.Since, CPUTime: time.Duration(used.ticks) * tick, MemoryBytes: used.pages * int64(os.Getpagesize()),
	}
	if disk, err := readIO(now.PID); err == nil { // a program that changed its user is not to be looked into
		m.Disks = []provider.DiskMetrics{disk}
	}
	return m, nil
}

// readIO reads what a process has read and written (man proc_pid_io).
func readIO(pid int) (provider.DiskMetrics, error) {
	var m provider.DiskMetrics
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "read_bytes":
			m.ReadBytes = n
		case "write_bytes":
			m.WrittenBytes = n
		case "syscr":
			m.Reads = n
		case "syscw":
			m.Writes = n
		}
	}
	return m, err
}
