// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// kvmPatience is for a boot that takes about a second by KVM.
const kvmPatience = 30 * time.Second

// KVM returns nil if guests run by KVM on this machine, and otherwise says why not. It boots the vm to find out: a /dev/kvm
// may belong to a hypervisor that cannot run all of a guest's instructions, which then stands still.
func KVM(ctx context.Context, images Images) (err error) {
	device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	device.Close()
	dir, err := os.MkdirTemp("", "rhyzome-kvm-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	monitor, err := new(net.ListenConfig).Listen(ctx, "unix", filepath.Join(dir, "qmp"))
	if err != nil {
		return err
	}
	defer monitor.Close()

	ctx, cancel := context.WithTimeout(ctx, kvmPatience)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-machine", "q35,accel=kvm", "-cpu", "host", "-m", "128",
		"-nodefaults", "-display", "none", "-serial", "stdio", "-snapshot",
		"-drive", "if=virtio,format=qcow2,file="+images.DiskPath,
		"-chardev", "socket,id=qmp,path="+filepath.Join(dir, "qmp"), "-mon", "chardev=qmp,mode=control")
	serial, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	keys, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { // until the monitor is closed
		if stopped(monitor) {
			end(errStandsStill)
		}
	}()
	console := NewConsole(struct {
		io.Reader
		io.Writer
	}{serial, keys})
	_, _, err = console.Run(ctx, "true")
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	end(nil)
	_ = cmd.Wait() // it was killed
	if err != nil {
		return fmt.Errorf("there is a /dev/kvm, but no guest boots by it: %w %s", err, firstLine(complaint.Bytes()))
	}
	return nil
}

func firstLine(text []byte) []byte {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return line
}

var errStandsStill = errors.New("KVM gave up")

// stopped waits for QEMU's monitor to connect, and reports whether it says that the guest stands still, as it does after
// what KVM could not run (QEMU's QMP reference, event STOP). It returns false when the connection ends.
func stopped(monitor net.Listener) bool {
	conn, err := monitor.Accept()
	if err != nil {
		return false
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, `{"execute": "qmp_capabilities"}`); err != nil {
		return false
	}
	for messages := json.NewDecoder(conn); ; {
		var m struct {
			Event string `json:"event"`
		}
		if err := messages.Decode(&m); err != nil {
			return false
		}
		if m.Event == "STOP" {
			return true
		}
	}
}
