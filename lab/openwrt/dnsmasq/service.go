// SPDX-License-Identifier: Apache-2.0

package dnsmasq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt/netifd"
	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

const (
	prefix = "dnsmasq." // of the services
	runDir = "/var/run/dnsmasq"
)

// Start renders the instances and has them run: those that are new or changed are started, those that are gone stopped,
// the others left alone. That is what procd makes of the script's start.
func Start(ctx context.Context, boot bool) error {
	_, err := start(ctx, boot)
	return err
}

// Reload is Start, and a SIGHUP for the instances that were left alone: they read hosts files and fixed leases again. (The
// script signals all, and at once; one that has only just begun dies of it now and then.)
func Reload(ctx context.Context) error {
	kept, err := start(ctx, false)
	if err != nil {
		return err
	}
	for _, s := range kept {
		if !begun(ctx, s) {
			continue
		}
		if err := machine.Inside().Signal(ctx, s.Name, unix.SIGHUP); err != nil {
			return err
		}
	}
	return nil
}

// begun waits a little until a process has written its pid file: from then on it survives a SIGHUP. One that does not get
// so far reads everything when it is started again.
func begun(ctx context.Context, s machine.ServiceStatus) bool {
	file := pidFile(strings.TrimPrefix(s.Name, prefix))
	for range 100 {
		text, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(s.PID) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

func pidFile(name string) string { return runDir + "/dnsmasq." + name + ".pid" }

// start returns what ran before and was left alone.
func start(ctx context.Context, boot bool) (kept []machine.ServiceStatus, err error) {
	wanted, err := instances(ctx, boot)
	if err != nil {
		return nil, err
	}
	running, err := services(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range running {
		if !slices.ContainsFunc(wanted, func(i Instance) bool { return prefix+i.Name == s.Name }) {
			if err := machine.Inside().Stop(ctx, s.Name); err != nil {
				return nil, err
			}
		}
	}
	for _, i := range wanted {
		if err := i.write(); err != nil {
			return nil, err
		}
		want := i.service()
		at := slices.IndexFunc(running, func(s machine.ServiceStatus) bool { return s.Name == want.Name })
		if at >= 0 && reflect.DeepEqual(running[at].Service, want) {
			kept = append(kept, running[at])
			continue
		}
		if at >= 0 {
			if err := machine.Inside().Stop(ctx, want.Name); err != nil {
				return nil, err
			}
		}
		if err := machine.Inside().Start(ctx, want); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// Stop stops every instance; the router resolves without it again.
func Stop(ctx context.Context) error {
	running, err := services(ctx)
	if err != nil {
		return err
	}
	for _, s := range running {
		if err := machine.Inside().Stop(ctx, s.Name); err != nil {
			return err
		}
	}
	if err := os.RemoveAll("/tmp/resolv.conf"); err != nil {
		return err
	}
	return os.Symlink("/tmp/resolv.conf.d/resolv.conf.auto", "/tmp/resolv.conf")
}

// Running reports whether an instance runs.
func Running(ctx context.Context) (bool, error) {
	running, err := services(ctx)
	return slices.ContainsFunc(running, func(s machine.ServiceStatus) bool { return s.PID != 0 }), err
}

func services(ctx context.Context) ([]machine.ServiceStatus, error) {
	all, err := machine.Inside().List(ctx)
	return slices.DeleteFunc(all, func(s machine.ServiceStatus) bool { return !strings.HasPrefix(s.Name, prefix) }), err
}

func instances(ctx context.Context, boot bool) ([]Instance, error) {
	dhcp, err := uci.Load("dhcp")
	if err != nil {
		fmt.Fprintln(os.Stderr, err) // the script goes on without any section then
		dhcp = &uci.Package{Name: "dhcp"}
	}
	networks, err := readNetworks(ctx)
	if err != nil && !boot {
		fmt.Fprintln(os.Stderr, err)
	}
	in := Input{
		DHCP: dhcp, Networks: networks, Hostname: hostname(), Boot: boot,
		Busy: func(device string) bool { return busy(ctx, device) },
	}
	var all []Instance
	for _, s := range dhcp.Type("dnsmasq") {
		if s.Bool("disabled", false) {
			continue
		}
		i, err := Render(in, s)
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// service has the digest of the instance's configuration in it, so that a change shows.
func (i Instance) service() machine.Service {
	sum := sha256.Sum256([]byte(i.Config))
	return machine.Service{
		Name:    prefix + i.Name,
		Args:    []string{"dnsmasq", "-C", i.ConfigFile(), "-k", "-x", pidFile(i.Name)},
		Env:     []string{"PROCD_FILE_DIGEST=" + hex.EncodeToString(sum[:])},
		Respawn: true,
	}
}

func (i Instance) write() error {
	for _, dir := range []string{filepath.Dir(i.ConfigFile()), hostsDir, i.ConfDir, "/var/lib/misc", runDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := chown(runDir); err != nil {
		return err
	}
	if err := touch(i.LeaseFile, i.ResolvFile); err != nil {
		return err
	}
	if err := os.WriteFile(i.ConfigFile(), []byte(i.Config), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(i.HostsFile(), []byte(i.Hosts), 0o644); err != nil {
		return err
	}
	if !i.LocalUse {
		return nil
	}
	text := "nameserver 127.0.0.1\nnameserver ::1\n"
	if i.Domain != "" {
		text = "search " + i.Domain + "\n" + text
	}
	if err := os.RemoveAll("/tmp/resolv.conf"); err != nil {
		return err
	}
	return os.WriteFile("/tmp/resolv.conf", []byte(text), 0o644)
}

func chown(dir string) error {
	u, err := user.Lookup("dnsmasq")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	return os.Chown(dir, uid, -1)
}

func touch(files ...string) error {
	for _, file := range files {
		if file == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

func hostname() string {
	system, err := uci.Load("system")
	if err == nil && len(system.Type("system")) > 0 {
		return system.Type("system")[0].Default("hostname", "OpenWrt")
	}
	return "OpenWrt"
}

// busy asks for a lease on the device, once, and remembers the answer, as the script does. It takes three seconds.
func busy(ctx context.Context, device string) bool {
	stamp := runDir + "." + device + ".dhcp"
	if text, err := os.ReadFile(stamp); err == nil {
		return string(text) == "1"
	}
	err := exec.CommandContext(ctx, "busybox", "udhcpc", "-n", "-q", "-s", "/bin/true", "-t", "1", "-i", device).Run()
	answer := "0"
	if err == nil {
		answer = "1"
	}
	if err := os.WriteFile(stamp, []byte(answer), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return answer == "1"
}

func readNetworks(ctx context.Context) (Networks, error) {
	interfaces, err := netifd.Dump(ctx)
	networks := Networks{}
	for _, i := range interfaces {
		if i.Up {
			networks[i.Name] = Network{Proto: i.Proto, Device: i.Device, Addresses: i.Addresses}
		}
	}
	return networks, err
}
