// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"bytes"
	"encoding/binary"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestFrameRoundTrip(t *testing.T) {
	want := Hello{Provider: "hv1", MachineID: "m", Versions: []int{1, 2}, ProcessID: "p"}
	var b bytes.Buffer
	if err := writeFrame(&b, want); err != nil {
		t.Fatal(err)
	}
	var got Hello
	if err := readFrame(&b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestBadFrames(t *testing.T) {
	frame := func(n int, body string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(n)), body...) }
	for name, in := range map[string][]byte{
		"empty":     nil,
		"cut head":  {0, 0},
		"cut body":  frame(10, `{"a`),
		"too large": frame(maxFrame+1, strings.Repeat(" ", maxFrame+1)),
		"huge":      frame(1<<32-1, ""),
		"not JSON":  frame(4, "GET "),
		"a list":    frame(2, "[]"),
		"two":       frame(5, "{} {}"),
	} {
		var h Hello
		if err := readFrame(bytes.NewReader(in), &h); err == nil {
			t.Errorf("%s: read %+v", name, h)
		}
	}
	if err := writeFrame(&bytes.Buffer{}, Hello{SDK: strings.Repeat("x", maxFrame)}); err == nil {
		t.Error("wrote a frame above the limit")
	}
}

func TestAcceptClosesOnABadHello(t *testing.T) {
	near, far := net.Pipe()
	go func() {
		far.Write([]byte{0xff, 0xff, 0xff, 0xff})
	}()
	s, err := Accept(near, func(Hello) (Welcome, error) { t.Error("admitted"); return Welcome{}, nil })
	if err == nil {
		t.Fatalf("accepted %+v", s)
	}
	if _, err := far.Read(make([]byte, 1)); err == nil {
		t.Error("the connection stayed open")
	}
	far.Close()
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\x00\x00\x00\x10{\"versions\":[1]}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var h Hello
		if err := readFrame(bytes.NewReader(in), &h); err != nil {
			return
		}
		if err := writeFrame(&bytes.Buffer{}, h); err != nil {
			t.Logf("grew by escaping: %v", err)
		}
	})
}

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		core, provider []int
		want           int
	}{
		{[]int{1}, []int{1}, 1},
		{[]int{2, 3}, []int{1, 2}, 2},
		{[]int{2, 3}, []int{3, 2}, 3},
		{[]int{2, 3}, []int{7}, 0},
		{[]int{1}, nil, 0},
	} {
		got, err := Negotiate(c.core, c.provider)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("Negotiate(%v, %v) = %d, %v", c.core, c.provider, got, err)
		}
		if err != nil && fault.ReasonOf(err) != fault.VersionMismatch {
			t.Errorf("reason %s", fault.ReasonOf(err))
		}
	}
}

func TestClockNeverGoesBelowItsFloor(t *testing.T) {
	boot := time.Unix(10, 0)
	joined, told := boot.Add(time.Hour), boot.Add(2*time.Hour)
	c := NewClock(func() time.Time { return boot }, joined)
	if got := c.Now(); !got.Equal(joined) {
		t.Errorf("before the core told: %s", got)
	}
	c.Raise(told)
	c.Raise(boot)
	if got := c.Now(); !got.Equal(told) {
		t.Errorf("after the core told: %s", got)
	}
	late := told.Add(time.Hour)
	c.now = func() time.Time { return late }
	if got := c.Now(); !got.Equal(late) {
		t.Errorf("with a clock that goes: %s", got)
	}
}
