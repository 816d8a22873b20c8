// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt/dnsmasq"
	"github.com/rhyzome/rhyzome/lab/openwrt/fw4"
	"github.com/rhyzome/rhyzome/lab/openwrt/netifd"
	"github.com/rhyzome/rhyzome/lab/openwrt/ubus"
)

const usage = `Syntax: /etc/init.d/%s [command]

Available commands:
	start           Start the service
	stop            Stop the service
	restart         Restart the service
	reload          Reload configuration files (or restart if service does not implement reload)
	enable          Enable service autostart
	disable         Disable service autostart
	enabled         Check if service is started on boot
	running         Check if service is running
	status          Service status
`

// errNo is the answer no of a script that was asked something: exit status 1, and nothing printed.
var errNo = errors.New("no")

// initScript is /etc/init.d/NAME COMMAND.
func initScript(args []string) int {
	scripts := map[string]func(context.Context, string) error{
		"network": network, "firewall": firewall, "dnsmasq": resolver, "odhcpd": notInstalled,
	}
	if len(args) == 0 || scripts[args[0]] == nil {
		fmt.Fprintln(os.Stderr, "no such init script")
		return 127
	}
	commands := []string{"start", "stop", "restart", "reload", "boot", "enable", "disable", "enabled", "running", "status"}
	if len(args) < 2 || !slices.Contains(commands, args[1]) {
		fmt.Printf(usage, args[0])
		return 0
	}
	ctx, cancel := timeout()
	defer cancel()
	switch err := alone(args[0], func() error { return scripts[args[0]](ctx, args[1]) }); {
	case errors.Is(err, errNo):
		return 1
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// alone runs f while no other process runs the same script: a provider and an interface that comes up may want the same.
func alone(script string, f func() error) error {
	lock, err := os.OpenFile("/var/lock/procd_"+script+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	return f()
}

const netifdService = "netifd"

func network(ctx context.Context, command string) error {
	switch command {
	case "start", "boot":
		return machine.Inside().Start(ctx, machine.Service{
			Name: netifdService, Args: []string{program, "lab", "openwrt", "netifd"}, Respawn: true,
		})
	case "stop":
		return machine.Inside().Stop(ctx, netifdService)
	case "restart":
		if err := machine.Inside().Stop(ctx, netifdService); err != nil {
			return err
		}
		return network(ctx, "start")
	case "reload":
		return ubus.Call(ctx, "network", "reload", struct{}{}, nil)
	case "running", "status":
		_, err := netifd.Dump(ctx)
		return state(command, err == nil)
	}
	return nil
}

func firewall(_ context.Context, command string) error {
	var status int
	switch command {
	case "start", "restart", "reload":
		status = fw4.Main([]string{command}, os.Stdout, os.Stderr)
	case "boot":
		status = fw4.Main([]string{"-q", "start"}, os.Stdout, os.Stderr)
	case "stop":
		status = fw4.Main([]string{"flush"}, os.Stdout, os.Stderr)
	case "running", "status":
		return state(command, true)
	}
	if status != 0 {
		return errNo
	}
	return nil
}

func resolver(ctx context.Context, command string) error {
	switch command {
	case "start", "boot":
		return dnsmasq.Start(ctx, command == "boot")
	case "stop":
		return dnsmasq.Stop(ctx)
	case "restart":
		if err := dnsmasq.Stop(ctx); err != nil {
			return err
		}
		return dnsmasq.Start(ctx, false)
	case "reload":
		return dnsmasq.Reload(ctx)
	case "running", "status":
		running, err := dnsmasq.Running(ctx)
		return errors.Join(err, state(command, running))
	}
	return nil
}

// notInstalled is the script of a program that is not there, and not enabled: DHCPv6 is dnsmasq's.
func notInstalled(_ context.Context, command string) error {
	switch command {
	case "enabled", "running":
		return errNo
	case "status":
		return state(command, false)
	}
	return nil
}

func state(command string, running bool) error {
	if command == "status" {
		fmt.Println(map[bool]string{true: "running", false: "inactive"}[running])
	}
	if !running {
		return errNo
	}
	return nil
}
