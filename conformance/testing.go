// SPDX-License-Identifier: Apache-2.0

package conformance

import "testing"

// Test runs the cases of the profile Core in go test, a subtest each. It closes the target.
func Test(t *testing.T, target Target, params Params) {
	t.Helper()
	TestProfile(t, Core, target, params)
}

// TestProfile is Test for another profile.
func TestProfile(t *testing.T, profile Profile, target Target, params Params) {
	t.Helper()
	defer func() {
		if err := target.Close(); err != nil {
			t.Errorf("the provider did not stop: %v", err)
		}
	}()
	done := func(result Result) {
		t.Run(result.ID, func(t *testing.T) {
			switch {
			case result.Outcome == Fail && result.Level == Must:
				t.Errorf("%s\n%s\n%s", result.Title, result.Sentence, result.Detail)
			case result.Outcome == Fail:
				t.Logf("%s (%s)\n%s", result.Title, result.Level, result.Detail)
			}
		})
	}
	report, err := Runner{Target: target, Params: params, Profile: profile, Done: done}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Leftover != "" {
		t.Errorf("left behind: %s", report.Leftover)
	}
	t.Log(report.Summary())
}
