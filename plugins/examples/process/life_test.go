// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// stubborn is a program that does not end when it is asked to.
const stubborn = "#!/bin/sh\ntrap '' TERM\nsetsid sleep 3600 &\nwhile :; do sleep 0.05; done\n"

// patient is a program that waits.
const patient = "#!/bin/sh\nsetsid sleep 3600 &\nexec sleep 3600\n"

// The provider is killed while it works, and the processes are those of the system.
func TestKilledInTheMiddle(t *testing.T) {
	t.Setenv(asProvider, "1")
	r := newRig(t) // of the same backend: it looks, and cleans up
	target := &conformance.Child{Path: "/proc/self/exe", AutoMTLS: true}
	defer target.Close()
	connect := func() *wire.Client {
		t.Helper()
		cc, err := target.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		client := wire.NewClient(cc)
		config := []byte(`{"directory": "` + r.path("") + `", "grace_seconds": 20}`)
		if _, err := client.Configure(t.Context(), 1, config, 1); err != nil {
			t.Fatal(err)
		}
		return client
	}
	client := connect()
	spec := r.program(stubborn, "")
	if _, err := client.ApplyInstance(t.Context(), 1, spec); err != nil {
		t.Fatal(err)
	}
	until(t, "the instance", func() bool { return r.get(spec.ID).Phase == provider.PhaseReady })
	pid := r.pid(spec.ID)
	until(t, "its child", func() bool { return len(marked(spec.ID)) >= 2 })

	// It is told to stop, takes its time, and meanwhile the provider dies.
	stopped := spec
	stopped.Generation, stopped.SpecDigest, stopped.Power = 2, "sha256:2", provider.PowerStopped
	if i, err := client.ApplyInstance(t.Context(), 2, stopped); err != nil || i.Phase != provider.PhaseProgressing {
		t.Fatalf("being stopped: %+v, %v", i, err)
	}
	if err := target.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	client = connect()
	i, err := client.GetInstance(t.Context(), spec.ID)
	if err != nil || i.Phase != provider.PhaseFailed || fault.ReasonOf(i.Failure) != fault.Interrupted || i.Power != provider.PowerRunning {
		t.Fatalf("what the dead provider left: %+v, %v", i, err)
	}
	if r.pid(spec.ID) != pid {
		t.Fatalf("process %d was running, and now %d is", pid, r.pid(spec.ID))
	}
	if _, _, err := client.DeleteInstance(t.Context(), 3, stopped.Tag); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of it", func() bool {
		_, err := client.GetInstance(t.Context(), spec.ID)
		return fault.ReasonOf(err) == fault.NoSuchObject
	})
	if left := marked(spec.ID); len(left) > 0 {
		t.Errorf("processes stay behind: %v", left)
	}
}

func TestWhatEndsByItself(t *testing.T) {
	for _, test := range []struct {
		restart, exit string
		again         bool
	}{
		{restartNever, "1", false}, {restartOnFailure, "0", false}, {restartOnFailure, "1", true}, {restartAlways, "0", true},
	} {
		t.Run(test.restart+" "+test.exit, func(t *testing.T) {
			r := newRig(t)
			r.config["restart"] = test.restart
			r.start()
			// It ends when it is told to.
			spec := r.program("#!/bin/sh\nsetsid sleep 3600 &\nread -r word\nexit $word\n", "")
			r.apply(spec)
			pid := r.pid(spec.ID)
			console, err := r.OpenConsole(t.Context(), spec.ID)
			if err != nil {
				t.Fatal(err)
			}
			defer console.Close()
			if _, err := console.Write([]byte(test.exit + "\n")); err != nil {
				t.Fatal(err)
			}
			until(t, "what follows", func() bool {
				now, running, err := r.home(spec.ID).running()
				if err != nil {
					t.Fatal(err)
				}
				if test.again {
					return running && now.PID != 0 && now.PID != pid
				}
				return !running
			})
			if !test.again && len(marked(spec.ID)) > 0 {
				t.Errorf("what it started goes on: %v", marked(spec.ID))
			}
			if i := r.get(spec.ID); i.Phase != provider.PhaseReady || i.Power == provider.PowerRunning != test.again {
				t.Errorf("it is %+v", i)
			}
		})
	}
}

func TestRebootIsDoneOnce(t *testing.T) {
	r := newRig(t)
	spec := r.program(patient, "")
	r.apply(spec)
	before := r.pid(spec.ID)
	i, err := r.RebootInstance(t.Context(), spec.ID, "one", false)
	if err != nil || i.LastRebootOperationID != "one" || i.Power != provider.PowerRunning {
		t.Fatalf("rebooted: %+v, %v", i, err)
	}
	after := r.pid(spec.ID)
	if after == before {
		t.Errorf("the process is still %d", after)
	}
	r.start()
	if _, err := r.RebootInstance(t.Context(), spec.ID, "one", false); err != nil || r.pid(spec.ID) != after {
		t.Errorf("rebooted again: %d was running, %d is, %v", after, r.pid(spec.ID), err)
	}
	// Another command line is another process; the same one is not.
	spec.Generation, spec.CommandLine = 2, "3600"
	r.apply(spec)
	changed := r.pid(spec.ID)
	spec.Generation, spec.MemoryBytes = 3, 2
	if r.apply(spec); r.pid(spec.ID) != changed || changed == after {
		t.Errorf("processes were %d, %d, and now %d", after, changed, r.pid(spec.ID))
	}
	if i := r.get(spec.ID); i.LastRebootOperationID != "one" {
		t.Errorf("it forgot the reboot: %+v", i)
	}
}

func TestAKilledSupervisor(t *testing.T) {
	r := newRig(t)
	spec := r.program(patient, "")
	r.apply(spec)
	pid := r.pid(spec.ID)
	until(t, "its child", func() bool { return len(marked(spec.ID)) >= 2 })
	supervisor, err := r.home(spec.ID).supervisor()
	if err != nil || supervisor == 0 {
		t.Fatalf("the supervisor is %d, %v", supervisor, err)
	}
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "its program to end with it", func() bool { return !slices.Contains(marked(spec.ID), pid) })
	until(t, "it to be seen", func() bool { return r.get(spec.ID).Power == provider.PowerStopped })
	if err := r.DeleteInstance(t.Context(), spec.ID, quiet); err != nil {
		t.Fatal(err)
	}
	if left := marked(spec.ID); len(left) > 0 {
		t.Errorf("processes stay behind: %v", left)
	}
}

func TestAfterABootItRunsAgain(t *testing.T) {
	r := newRig(t)
	running, stopped := r.program(patient, ""), r.program(patient, "")
	r.apply(running)
	stopped.Power = provider.PowerStopped
	r.apply(stopped)
	h := r.home(running.ID)
	supervisor, err := h.supervisor()
	if err != nil {
		t.Fatal(err)
	}
	// The machine goes down: all is asked to end, and the next boot has another id.
	if err := syscall.Kill(supervisor, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "the end", func() bool { now, err := h.supervisor(); return err == nil && now == 0 })
	r.start()
	if i := r.get(running.ID); i.Power != provider.PowerStopped {
		t.Fatalf("in the same boot it runs again: %+v", i)
	}
	last, err := h.readState()
	last.Boot = "another"
	if err != nil || writeJSON(h.path(stateFile), last) != nil {
		t.Fatal(err)
	}
	r.start()
	if i := r.get(running.ID); i.Power != provider.PowerRunning || i.Phase != provider.PhaseReady {
		t.Errorf("it does not run again: %+v", i)
	}
	if i := r.get(stopped.ID); i.Power != provider.PowerStopped {
		t.Errorf("what was stopped runs: %+v", i)
	}
}

func TestWhatCannotRun(t *testing.T) {
	r := newRig(t)
	spec := r.program("no program", "")
	if _, err := r.ApplyInstance(t.Context(), spec, quiet); fault.ReasonOf(err) != fault.BackendRefused {
		t.Errorf("made of text: %v", err)
	}
	if i := r.get(spec.ID); i.Phase != provider.PhaseFailed || i.Power != provider.PowerStopped {
		t.Errorf("it is %+v", i)
	}
	initrd := spec.Image
	initrd.Format = provider.ImageInitrd
	spec.HostID, spec.Initrd, spec.NICs, spec.Image.Format = "elsewhere", &initrd, make([]provider.NIC, 1), provider.ImageQCOW2
	_, err := r.ApplyInstance(t.Context(), spec, quiet)
	var fields []string
	for _, f := range fault.Of(err).Fields {
		fields = append(fields, f.Field)
	}
	if want := []string{"/host_id", "/image/format", "/initrd", "/nics"}; !slices.Equal(fields, want) {
		t.Errorf("refused are %v, not %v", fields, want)
	}
}

// What a program is given: its directory, its arguments, the seed, its user.
func TestWhatAProgramSees(t *testing.T) {
	r := newRig(t)
	if os.Geteuid() == 0 {
		r.config["user"] = "nobody"
		r.start()
	}
	spec := r.program("#!/bin/sh\nid -u\npwd\necho \"$@\"\ncat \"$RHYZOME_SEED/user-data\"\necho kept >> file\nexec cat\n", " one  'two' ")
	spec.CloudInit = &provider.CloudInit{UserData: "#cloud-config\n"}
	r.apply(spec)
	console, err := r.OpenConsole(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	if _, err := console.Write([]byte("typed\n")); err != nil {
		t.Fatal(err)
	}
	uid := strconv.Itoa(os.Geteuid())
	if os.Geteuid() == 0 {
		uid = "65534"
	}
	lines := bufio.NewScanner(console)
	for _, want := range []string{uid, r.home(spec.ID).path(filesDir), "one 'two'", "#cloud-config", "typed"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("it says %q, not %q; %v", lines.Text(), want, lines.Err())
		}
	}
	spec.Generation, spec.Power = 2, provider.PowerStopped
	r.apply(spec)
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("after its end it says %q, %v", lines.Text(), lines.Err())
	}
	// Its files stay.
	spec.Generation, spec.Power = 3, provider.PowerRunning
	r.apply(spec)
	until(t, "the second line", func() bool {
		kept, err := os.ReadFile(filepath.Join(r.home(spec.ID).path(filesDir), "file"))
		return err == nil && string(kept) == strings.Repeat("kept\n", 2)
	})
}

func TestOutputIsBounded(t *testing.T) {
	r := newRig(t)
	spec := r.program("#!/bin/sh\nhead -c 5000000 /dev/zero | tr '\\0' x\necho\necho done\nexec cat\n", "")
	r.apply(spec)
	console, err := r.OpenConsole(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	lines := bufio.NewScanner(console)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() && lines.Text() != "done" {
	}
	if lines.Text() != "done" {
		t.Fatalf("it ends with %d bytes, %v", len(lines.Text()), lines.Err())
	}
	var kept int64
	for _, suffix := range []string{"", oldSuffix} {
		info, err := os.Stat(r.home(spec.ID).path(outputFile) + suffix)
		if err != nil {
			t.Fatal(err)
		}
		kept += info.Size()
	}
	if kept < keptOutput || kept > 3*keptOutput {
		t.Errorf("%d bytes are kept", kept)
	}
}

func TestMetricsOfARealProcess(t *testing.T) {
	r := newRig(t)
	spec := r.program("#!/bin/sh\nwhile :; do :; done\n", "")
	r.apply(spec)
	var used time.Duration
	until(t, "processor time", func() bool {
		m, err := r.GetInstanceMetrics(t.Context(), spec.ID)
		if err != nil {
			t.Fatal(err)
		}
		used = m.CPUTime
		return m.CPUTime > 0 && m.MemoryBytes > 0
	})
	if used > time.Minute {
		t.Errorf("it used %s", used)
	}
}
