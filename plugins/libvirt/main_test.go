// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"testing"

	"go.uber.org/goleak"
)

// libvirt's event loop cannot be ended.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("libvirt.org/go/libvirt.EventRunDefaultImpl"))
}
