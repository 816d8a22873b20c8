// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "web": true, "web-1": true, "a" + strings.Repeat("b", 62): true,
		"": false, "-a": false, "a-": false, "1a": false, "Web": false, "a_b": false, "a.b": false,
		"a" + strings.Repeat("b", 63): false, "wéb": false, "a\n": false,
		"a198c0de-0000-7000-8000-000000000001": false,
	} {
		faults := core.New{Name: name}.Check()
		if (len(faults) == 0) != good {
			t.Errorf("name %q: faults = %v, want good = %v", name, faults, good)
		}
	}
}

func TestCheckTellsAllAtOnce(t *testing.T) {
	err := fault.Join(core.New{
		Name: "Bad", DisplayName: "two\nlines",
		Labels: map[string]string{"a/b": "x\x00", "~": "y", "ok": "fine"},
	}.Check()...)
	var fields []string
	for _, v := range fault.Of(err).Fields {
		fields = append(fields, v.Field)
	}
	if got, want := strings.Join(fields, " "), "/name /display_name /labels/a~1b /labels/~0"; got != want {
		t.Errorf("fields = %s, want %s", got, want)
	}
}
