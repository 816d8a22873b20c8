// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"math/rand/v2"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Times of the runner.
const (
	lease     = 30 * time.Second // of a claim
	heartbeat = 10 * time.Second // how often a lease is renewed
	poll      = time.Second      // safety net: work is claimed when the runner is woken
	reporting = time.Second      // at most one progress report is written in this time

	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// temporary reports whether the same step, unchanged, may work later.
func temporary(err error) bool {
	switch fault.ReasonOf(err) {
	case fault.Fenced, // claimed anew, with a higher fence
		fault.NotConfigured, fault.ImageMissing, fault.Interrupted,
		fault.RequestCanceled: // somebody on the way gave up, we did not
		return true
	}
	return fault.Temporary(err)
}

// backoff returns how long to wait before the attempt after the given number of failed ones: doubling, with jitter, so
// that those who failed together don't come back together.
func backoff(failed int) time.Duration {
	d := lastRetry
	if failed < 6 {
		d = min(firstRetry<<(failed-1), lastRetry)
	}
	return d/2 + rand.N(d/2)
}
