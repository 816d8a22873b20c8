// SPDX-License-Identifier: Apache-2.0

package endtoend_test

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestDownAfterAKill removes a lab whose `lab up` was killed half way, and looks for what could be left.
func TestDownAfterAKill(t *testing.T) {
	dir, err := os.MkdirTemp("/var/lib", "rhyzome-endtoend-")
	if err != nil {
		t.Fatal(err)
	}
	if err := killHalfWay(dir); err != nil {
		t.Fatal(err)
	}
	if half, err := traces(dir); err != nil || !strings.Contains(half, "lab init") {
		t.Errorf("nothing is seen of a half made lab, so this test would notice nothing: %v\n%s", err, half)
	}
	if out, err := rhyzome(io.Discard, "lab", "down", "--dir", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if left, err := traces(dir); err != nil || left != "" {
		t.Errorf("left behind: %v\n%s", err, left)
	}
}
