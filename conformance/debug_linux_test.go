// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"regexp"
	"syscall"
	"testing"
	"time"
)

// A program that is stopped, as by a debugger, fails nothing: not by the suite's patience, nor by anybody's on the way.
func TestADebuggerMayStopTheProgram(t *testing.T) {
	t.Parallel()
	program := memoryProgram(t)
	p := Params{Timeout: 200 * time.Millisecond}
	starts := 0
	stop := func(pid int) {
		starts++
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
		time.AfterFunc(time.Second, func() { syscall.Kill(pid, syscall.SIGCONT) })
	}
	for _, target := range []Target{
		&Child{Path: program, AutoMTLS: true, Debug: stop},
		&Attached{Path: program, Address: "127.0.0.1:0", Dir: t.TempDir(), Debug: stop},
	} {
		t.Run(target.Way().Kind, func(t *testing.T) {
			defer target.Close()
			starts = 0
			report, err := Runner{Target: target, Params: p, Debug: true, Focus: regexp.MustCompile("^INSTANCE-(APPLY-001|HOSTS-001)$")}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, result := range report.Results {
				if result.Outcome != Pass {
					t.Errorf("%s: %s\n%s", result.ID, result.Outcome, result.Detail)
				}
			}
			if starts != 2 {
				t.Errorf("the debugger was told of %d starts", starts)
			}
		})
	}
}
