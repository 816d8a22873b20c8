// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"net"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/attach"
)

// Two cores of one cloud have a session each. One that dies disturbs the other's in nothing, and has one again when it is
// back.
func TestEveryCoreHasASession(t *testing.T) {
	ca, l1, l2 := newAuthority(t), listen(t), listen(t)
	first, second := newHost(t, l1, ca.server(), 1), attach.NewHost(l2, ca.server(), []int{1}, discard, nil)
	addresses := []string{l1.Addr().String(), l2.Addr().String(), l1.Addr().String()}
	lines := runAt(t, addresses, ca.identity(), 1)
	s1, s2 := next(t, first), next(t, second)
	if s1.Hello.ProcessID != s2.Hello.ProcessID || s1.Hello.Core != addresses[0] || s2.Hello.Core != addresses[1] {
		t.Errorf("%+v and %+v", s1.Hello, s2.Hello)
	}
	for _, s := range []*attach.Session{s1, s2} {
		data, err := s.Data(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := describe(t, data); err != nil {
			t.Error(err)
		}
	}

	second.Close()
	<-s2.Done()
	lines.waitFor(t, "core="+addresses[1]+" provider=hv1 reason=core_unreachable")
	if err := describe(t, s1.Conn()); err != nil {
		t.Errorf("the core that lives: %v", err)
	}

	l2, err := net.Listen("tcp", addresses[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := describe(t, next(t, newHost(t, l2, ca.server(), 1)).Conn()); err != nil {
		t.Error(err)
	}
	if err := describe(t, s1.Conn()); err != nil {
		t.Errorf("the core that lives: %v", err)
	}
	select {
	case <-s1.Done():
		t.Error("the session of the core that lives ended")
	case <-time.After(50 * time.Millisecond):
	}
}
