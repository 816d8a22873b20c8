// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/openwrt/netifd"
	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

const (
	stateFile = "/var/run/fw4.state" // is there while the firewall is loaded
	lockFile  = "/var/run/fw4.lock"
)

const usage = `Usage:

  fw4 [-v] [-q] start|stop|flush|restart|reload
  fw4 [-q] print
  fw4 [-q] check
  fw4 [-q] network {net}
  fw4 [-q] device {dev}
  fw4 [-q] zone {zone} [dev]

`

// message is what the real program says.
type message string

func (m message) Error() string { return string(m) }

const (
	errLoaded    message = "The fw4 firewall appears to be already loaded."
	errNotLoaded message = "The fw4 firewall does not appear to be loaded."
	errNoTable   message = "The fw4 firewall does not appear to be loaded, try fw4 flush to delete all rules."
	errNoRestart message = "The rendered ruleset contains errors, not doing firewall restart."
	errNoState   message = "Unable to read firewall state - do you need to start the firewall?"
	errNotFound  message = "not found"
)

type command struct {
	out, errors io.Writer
	quiet       bool
}

// Main is the program fw4. Like the real one it exits with 0 when nft refuses what start and reload load: only check
// tells.
func Main(args []string, out, errors io.Writer) int {
	ctx := context.Background()
	c := command{out: out, errors: errors}
	for len(args) > 0 && (args[0] == "-q" || args[0] == "-v") {
		c.quiet = c.quiet || args[0] == "-q"
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprint(out, usage)
		return 0
	}
	if err := c.run(ctx, args[0], args[1:]); err != nil {
		if !c.quiet {
			fmt.Fprintln(c.errors, err)
		}
		return 1
	}
	return 0
}

func (c command) run(ctx context.Context, verb string, args []string) error {
	switch verb {
	case "start", "reload":
		return locked(func() error { return c.load(ctx, verb) })
	case "stop":
		return locked(func() error { return stop(ctx) })
	case "flush":
		return locked(func() error { return flush(ctx) })
	case "restart":
		return locked(func() error { return c.restart(ctx) })
	case "print":
		ruleset, err := c.render(ctx)
		fmt.Fprint(c.out, ruleset.Text)
		return err
	case "check":
		return c.check(ctx)
	case "network", "device", "zone":
		return c.lookUp(verb, args)
	}
	fmt.Fprint(c.out, usage)
	return nil
}

func locked(f func() error) error {
	lock, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	return f()
}

func (c command) render(ctx context.Context) (Ruleset, error) {
	config, err := uci.Load("firewall")
	if err != nil {
		fmt.Fprintln(c.errors, err) // fw4 goes on without any section then
		config = &uci.Package{Name: "firewall"}
	}
	networks, err := readNetworks(ctx)
	if err != nil {
		fmt.Fprintln(c.errors, "Unable to connect to ubus:", err)
	}
	ruleset, err := Render(config, networks)
	if !c.quiet {
		for _, w := range ruleset.Warnings {
			fmt.Fprintln(c.errors, w)
		}
	}
	return ruleset, err
}

func (c command) load(ctx context.Context, verb string) error {
	_, err := os.Stat(stateFile)
	if loaded := err == nil; loaded != (verb == "reload") {
		if loaded {
			return errLoaded
		}
		return errNotLoaded
	}
	ruleset, err := c.render(ctx)
	if err != nil {
		return err
	}
	if err := writeState(ruleset); err != nil {
		return err
	}
	if err := nft(ctx, ruleset.Text, "-f", "-"); err != nil {
		fmt.Fprintln(c.errors, err)
	}
	return nil
}

func (c command) restart(ctx context.Context) error {
	ruleset, err := c.render(ctx)
	if err != nil {
		return err
	}
	if err := nft(ctx, ruleset.Text, "-c", "-f", "-"); err != nil {
		return fmt.Errorf("%w\n%w", err, errNoRestart)
	}
	if err := stop(ctx); err != nil && !c.quiet {
		fmt.Fprintln(c.errors, err)
	}
	if err := writeState(ruleset); err != nil {
		return err
	}
	return nft(ctx, ruleset.Text, "-f", "-")
}

func (c command) check(ctx context.Context) error {
	ruleset, err := c.render(ctx)
	if err != nil {
		return err
	}
	if err := nft(ctx, ruleset.Text, "-c", "-f", "-"); err != nil {
		return err
	}
	if !c.quiet {
		fmt.Fprintln(c.out, "Ruleset passes nftables check.")
	}
	return nil
}

func stop(ctx context.Context) error {
	if err := os.RemoveAll(stateFile); err != nil {
		return err
	}
	if err := nft(ctx, "", "delete", "table", "inet", "fw4"); err != nil {
		return errNoTable
	}
	return nil
}

// flush removes every table, also those of others: that is what `/etc/init.d/firewall stop` does.
func flush(ctx context.Context) error {
	if err := os.RemoveAll(stateFile); err != nil {
		return err
	}
	return nft(ctx, "flush ruleset", "-f", "-")
}

func nft(ctx context.Context, text string, args ...string) error {
	cmd := exec.CommandContext(ctx, "nft", args...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func readNetworks(ctx context.Context) (Networks, error) {
	interfaces, err := netifd.Dump(ctx)
	networks := Networks{}
	for _, i := range interfaces {
		networks[i.Name] = Network{Device: i.Device, Addresses: i.Addresses}
	}
	return networks, err
}

func writeState(ruleset Ruleset) error {
	text, err := json.Marshal(ruleset.Zones)
	if err != nil {
		return err
	}
	return os.WriteFile(stateFile, text, 0o600)
}

// lookUp answers from what was loaded last: a zone that was written since is not known.
func (c command) lookUp(kind string, args []string) error {
	text, err := os.ReadFile(stateFile)
	if err != nil {
		return errNoState
	}
	var zones []Zone
	if err := json.Unmarshal(text, &zones); err != nil {
		return err
	}
	if len(args) == 0 {
		return errNotFound
	}
	for _, z := range zones {
		switch {
		case kind == "network" && slices.Contains(z.Networks, args[0]), kind == "device" && slices.Contains(z.Devices, args[0]):
			fmt.Fprintln(c.out, z.Name)
			return nil
		case kind == "zone" && z.Name == args[0]:
			return c.printDevices(z, args[1:])
		}
	}
	return errNotFound
}

func (c command) printDevices(z Zone, only []string) error {
	if len(only) == 0 {
		for _, d := range z.Devices {
			fmt.Fprintln(c.out, d)
		}
		return nil
	}
	if !slices.Contains(z.Devices, only[0]) {
		return errNotFound
	}
	fmt.Fprintln(c.out, only[0])
	return nil
}
