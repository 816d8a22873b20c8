// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"encoding/json"
	"testing"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/sdk/engine"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// TestConformance runs the suite on the fake router; lab_test.go runs it on real services.
func TestConformance(t *testing.T) {
	f := newFake(t)
	before := f.state(t)
	target := conformance.InProcess(func() provider.Provider { return f.provider(&logBuffer{}) }, engine.Options{})
	conformance.TestProfile(t, conformance.Extended, target, conformance.Params{Config: profileConfig(t)})
	if after := f.state(t); after != before {
		t.Errorf("left behind:\n%s", after)
	}
}

func profileConfig(t *testing.T) map[string]any {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal([]byte(testConfig), &config); err != nil {
		t.Fatal(err)
	}
	return config
}
