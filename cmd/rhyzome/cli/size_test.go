// SPDX-License-Identifier: Apache-2.0

package cli

import "testing"

func TestSizesAreReadable(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1 << 10: "1 KiB", 1536 << 20: "1536 MiB", 20 << 30: "20 GiB",
		1500: "1.5 KiB", 10971340 << 10: "10.5 GiB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
