// SPDX-License-Identifier: Apache-2.0

package guest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kdomanski/iso9660"

	"github.com/rhyzome/rhyzome/lab/guest"
)

const networkConfig = `version: 2
ethernets:
  other:
    addresses: ["fd00:bad::1/64"]
    match: {macaddress: "52:54:00:00:00:99"}
  front:
    addresses:
      - 10.9.9.9/24
      - "fd00:7268::5/64"
    nameservers:
      addresses: [fd00:bad::2]
    match: {}
    match:
      macaddress: "52:54:00:AA:00:01"
`

func TestGuestBootsServesAndObeysThePowerButton(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	images, err := guest.Build(ctx, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	accelerator := "tcg"
	if err := guest.KVM(ctx, images); err == nil {
		accelerator = "kvm"
	} else {
		t.Logf("by emulation: %v", err)
	}
	vm := boot(t, images.DiskPath, accelerator, map[string]string{
		"meta-data":      "instance-id: i-1\nlocal-hostname: \"web-1\"\n",
		"user-data":      "#!/bin/sh\necho made by user data >/run/note\n",
		"network-config": networkConfig,
	})
	console := guest.NewConsole(dial(t, vm.serial))
	for _, c := range []struct {
		command, want string
		code          int
	}{
		{"hostname", "web-1\n", 0},
		{"ip -o -4 addr show eth0 | grep -c 10.0.2.15", "1\n", 0},
		{"ip -o -6 addr show eth0 | grep -o 'fd00:[^ ]*'", "fd00:7268::5/64\n", 0},
		{"ip -o addr | grep -c 10.9.9.9", "0\n", 1},
		{"until ip -6 route show default | grep -o 'via fe80::2 dev eth0'; do sleep 1; done", "via fe80::2 dev eth0\n", 0},
		{"wget -qO- 'http://[fd00:7268::5]/'", "web-1\n", 0},
		{"cat /run/note; exit_with() { return 7; }; exit_with", "made by user data\n", 7},
		{"test -f /disk/vmlinuz && touch /disk/kept &", "", 0},
	} {
		output, code, err := console.Run(ctx, c.command)
		if err != nil {
			t.Fatal(err)
		}
		if output != c.want || code != c.code {
			t.Errorf("%s: %q, exit code %d, want %q, %d", c.command, output, code, c.want, c.code)
		}
	}
	if page := get(t, vm.web+"/"); page != "web-1\n" {
		t.Errorf("/ = %q", page)
	}
	if page := get(t, vm.web+"/cgi-bin/addresses"); !strings.Contains(page, "10.0.2.15/24") || !strings.Contains(page, "fd00:7268::5/64") {
		t.Errorf("/cgi-bin/addresses = %q", page)
	}
	vm.pressPowerButton(t)
	select {
	case err := <-vm.ended:
		if err != nil {
			t.Errorf("qemu: %v", err)
		}
	case <-ctx.Done():
		t.Error("the power button did nothing")
	}
	if _, _, err := console.Run(ctx, "true"); err == nil {
		t.Error("a command ran after the end")
	}
}

func TestBuildIsReproducibleAndCached(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	var contents []string
	for _, dir := range []string{first, second} {
		images, err := guest.Build(t.Context(), dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		disk, err := os.ReadFile(images.DiskPath)
		if err != nil {
			t.Fatal(err)
		}
		kernel, err := os.ReadFile(images.KernelPath)
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, string(disk)+string(kernel))
	}
	if contents[0] != contents[1] {
		t.Error("two builds differ")
	}
	var log strings.Builder
	if _, err := guest.Build(t.Context(), first, slog.New(slog.NewTextHandler(&log, nil))); err != nil || log.Len() > 0 {
		t.Errorf("built again: %v %s", err, log.String())
	}
	if left, err := os.ReadDir(first); err != nil || len(left) != 1 {
		t.Errorf("%v %v: want one directory", left, err)
	}
}

type machine struct {
	serial, qmp, web string
	ended            chan error
}

// boot starts qemu on a copy of the disk, on qemu's own user network.
func boot(t *testing.T, disk, accelerator string, seed map[string]string) machine {
	t.Helper()
	dir := t.TempDir()
	overlay, iso := filepath.Join(dir, "disk.qcow2"), filepath.Join(dir, "seed.iso")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk, overlay).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	writeSeed(t, iso, seed)
	port := freePort(t)
	m := machine{
		serial: filepath.Join(dir, "serial"), qmp: filepath.Join(dir, "qmp"),
		web: fmt.Sprintf("http://127.0.0.1:%d", port), ended: make(chan error, 1),
	}
	cmd := exec.Command("qemu-system-x86_64", "-machine", "q35,accel="+accelerator, "-m", "128", "-nodefaults", "-display", "none",
		"-serial", "unix:"+m.serial+",server=on,wait=off", "-qmp", "unix:"+m.qmp+",server=on,wait=off",
		"-drive", "if=virtio,format=qcow2,file="+overlay, "-drive", "if=virtio,format=raw,readonly=on,file="+iso,
		"-netdev", fmt.Sprintf("user,id=n,hostfwd=tcp:127.0.0.1:%d-:80", port),
		"-device", "virtio-net-pci,netdev=n,mac=52:54:00:aa:00:01,romfile=")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended as it should
	go func() { m.ended <- cmd.Wait() }()
	return m
}

func writeSeed(t *testing.T, path string, files map[string]string) {
	t.Helper()
	writer, err := iso9660.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Cleanup()
	for name, content := range files {
		if err := writer.AddFile(strings.NewReader(content), name); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := writer.WriteTo(file, "cidata"); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// dial connects to a socket that qemu is about to make.
func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (m machine) pressPowerButton(t *testing.T) {
	t.Helper()
	conn := dial(t, m.qmp)
	answers := json.NewDecoder(conn)
	for _, command := range []string{"qmp_capabilities", "system_powerdown"} {
		var greeting any
		if err := answers.Decode(&greeting); err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(conn).Encode(map[string]string{"execute": command}); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
