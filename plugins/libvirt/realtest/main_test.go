// SPDX-License-Identifier: Apache-2.0

// Package realtest runs the libvirt provider against a real libvirtd, QEMU and Open vSwitch, with guests that boot. All
// of its tests run inside one machine of the lab, which is removed at the end. They need root, and no KVM.
package realtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/guest"
	"github.com/rhyzome/rhyzome/lab/hypervisor"
	"github.com/rhyzome/rhyzome/lab/machine"
)

// What the test program finds in its environment inside the machine.
const (
	diskVariable   = "REALTEST_DISK"   // path of the image of a vm that boots and serves
	kernelVariable = "REALTEST_KERNEL" // path of a unikernel's
	crashVariable  = "REALTEST_CRASH"  // what to do before it kills itself: see crash_test.go
)

// Where it finds the sources and the guests' images there: wherever they lie on the real machine, for instance in a
// /tmp that the machine does not see.
const (
	sourceDir = "/srv/source" // plugins/libvirt
	imageDir  = "/srv/guest"
)

// dataDir is the provider's default. The lab's machine has a real file system there.
const dataDir = "/var/lib/rhyzome-libvirt"

func TestMain(m *testing.M) {
	machine.Init()
	switch {
	case os.Getenv(crashVariable) != "":
		err := crash(os.Getenv(crashVariable))
		fmt.Fprintln(os.Stderr, "it was to be killed:", err)
		os.Exit(1)
	case os.Getenv(diskVariable) != "":
		goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("libvirt.org/go/libvirt.EventRunDefaultImpl")) // which cannot be ended
		return
	}
	code, err := inMachine()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// inMachine makes the machine, runs this program again inside it, and returns its exit code.
func inMachine() (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	cache, err := os.UserCacheDir()
	if err != nil {
		return 0, err
	}
	images, err := guest.Build(ctx, filepath.Join(cache, "rhyzome", "guest"), slog.Default())
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "realtest-")
	if err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, machine.Remove(context.Background(), dir), os.RemoveAll(dir))
	}()
	here, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	host, err := hypervisor.Start(ctx, hypervisor.Spec{
		Spec: machine.Spec{
			Name: "hv", Dir: dir,
			Binds: []machine.Bind{
				{Source: filepath.Join(dir, "data"), Target: dataDir},
				{Source: filepath.Dir(here), Target: sourceDir},
				{Source: filepath.Dir(images.DiskPath), Target: imageDir},
			},
		},
		KVM: guest.KVM(ctx, images) == nil,
	})
	if err != nil {
		return 0, err
	}
	args := []string{
		"-C", filepath.Join(sourceDir, filepath.Base(here)),
		diskVariable + "=" + filepath.Join(imageDir, filepath.Base(images.DiskPath)),
		kernelVariable + "=" + filepath.Join(imageDir, filepath.Base(images.KernelPath)), machine.Executable,
	}
	// The file of the go command lies in a /tmp that the machine does not see; without it nothing is cached, which is right.
	args = append(args, slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool { return strings.HasPrefix(a, "-test.testlogfile=") })...)
	inside := host.Command(ctx, "env", args...)
	inside.Stdout, inside.Stderr = os.Stdout, os.Stderr
	err = inside.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return exit.ExitCode(), nil
	}
	return 0, err
}
