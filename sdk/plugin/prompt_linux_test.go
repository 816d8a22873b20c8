// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/sdk/memory"
)

// terminal returns both ends of a pseudo terminal.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func TestTheTokenIsTypedUnseen(t *testing.T) {
	core, dir := newFakeCore(t, newAuthority(t)), t.TempDir()
	person, program := terminal(t)
	var out, errText bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- run(t.Context(), memory.New(memory.NewBackend()), []string{"join", "--core", core.address, "--state-dir", dir}, program, &out, &errText)
	}()
	for { // until the program reads, unseen
		state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if state.Lflag&unix.ECHO == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := io.WriteString(person, core.token()+"\n"); err != nil {
		t.Fatal(err)
	}
	if status := <-done; status != 0 || !strings.Contains(out.String(), "Joined as provider hv1") {
		t.Fatalf("%d, %s, %s", status, out.String(), errText.String())
	}
	if _, err := io.WriteString(program, "end"); err != nil {
		t.Fatal(err)
	}
	shown := make([]byte, 4096)
	n, err := person.Read(shown)
	if err != nil || strings.Contains(string(shown[:n]), "rhyzome-join") || !strings.Contains(string(shown[:n]), "end") {
		t.Errorf("the terminal shows %q, %v", shown[:n], err)
	}
}
