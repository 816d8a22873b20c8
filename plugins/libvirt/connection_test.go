// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestConnectionBacksOff(t *testing.T) {
	now := time.Unix(0, 0)
	c := newConnection("qemu:///system?socket="+filepath.Join(t.TempDir(), "none"), func() time.Time { return now })
	var waits []time.Duration
	for range 8 {
		if _, err := c.use(t.Context()); fault.ReasonOf(err) != fault.BackendDown {
			t.Fatalf("use = %v", err)
		}
		attempts := c.failures
		if _, err := c.use(t.Context()); fault.ReasonOf(err) != fault.BackendDown {
			t.Fatalf("use = %v", err)
		}
		if c.failures != attempts {
			t.Fatal("it tried again at once")
		}
		waits = append(waits, c.retryAt.Sub(now))
		now = c.retryAt
	}
	for i, wait := range waits {
		most := min(firstRetry<<i, lastRetry)
		if wait < most/2 || wait > most {
			t.Errorf("wait %d is %v, want %v to %v", i, wait, most/2, most)
		}
	}
	c.close()
	if _, err := c.use(t.Context()); fault.ReasonOf(err) != fault.BackendDown {
		t.Errorf("use of a closed one = %v", err)
	}
}

func TestCheckWithoutLibvirtd(t *testing.T) {
	p, _ := configured(t)
	if err := p.Check(t.Context()); fault.ReasonOf(err) != fault.BackendDown {
		t.Errorf("Check = %v", err)
	}
	if err := p.DeleteInstance(t.Context(), instanceID, func(string, int) {}); fault.ReasonOf(err) != fault.BackendDown {
		t.Errorf("DeleteInstance = %v", err)
	}
}
