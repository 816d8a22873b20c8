// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// Exit codes of ubus (libubus.h: UBUS_STATUS_...).
const (
	ubusNotFound         = 4
	ubusPermissionDenied = 6
	ubusTimedOut         = 7
	ubusConnectionFailed = 255 // what main returns when there is no ubusd: -1
)

// commandFault maps what became of a command.
func commandFault(ctx context.Context, cmd *exec.Cmd, stderr string, err error) error {
	name := filepath.Base(cmd.Path)
	if strings.HasPrefix(cmd.Path, "/etc/init.d/") {
		name = cmd.Path
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fault.Of(ctx.Err()).With("command", name)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return described(fault.BackendDown, err, "%s is not there: is this OpenWrt?", name)
	case errors.Is(err, fs.ErrPermission):
		return described(fault.BackendDenied, err, "%s may not be run", name)
	case errors.As(err, &exit) && name == "ubus":
		return described(ubusReason(exit.ExitCode()), err, "ubus: %s", words(stderr))
	}
	return described(fault.BackendRefused, err, "%s: %s", name, words(stderr))
}

func ubusReason(code int) fault.Reason {
	switch code {
	case ubusNotFound, ubusTimedOut, ubusConnectionFailed:
		return fault.BackendDown
	case ubusPermissionDenied:
		return fault.BackendDenied
	}
	return fault.BackendRefused
}

// words makes one printable line of what a program said.
func words(stderr string) string {
	const most = 300
	line := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, stderr)), " ")
	if line == "" {
		return "it failed without a word"
	}
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + " …"
	}
	return line
}

// configFault maps what the configuration files refuse; faults stay as they are. The messages of package uci hold no
// values.
func configFault(err error) error {
	var (
		syntax     *uci.SyntaxError
		overridden *uci.OverriddenError
		value      *uci.ValueError
		lost       *uci.LostUpdateError
		known      *fault.Error
	)
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.As(err, &syntax):
		return described(fault.BackendRefused, err, "%s; correct it, then apply again", syntax)
	case errors.As(err, &overridden):
		return described(fault.BackendRefused, err, "%s; remove it, then apply again", overridden)
	case errors.As(err, &value):
		return described(fault.InvalidField, err, "%s", value)
	case errors.As(err, &lost):
		return described(fault.Busy, err, "%s", lost)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Of(err)
	case errors.Is(err, fs.ErrPermission):
		return described(fault.BackendDenied, err, "the configuration may not be written")
	}
	return described(fault.BackendDown, err, "the configuration cannot be read or written")
}

// wireGuardFault maps what the WireGuard device says.
func wireGuardFault(device string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return described(fault.BackendRefused, err, "there is no WireGuard device %s", device)
	case errors.Is(err, fs.ErrPermission):
		return described(fault.BackendDenied, err, "WireGuard device %s may not be changed", device)
	}
	return described(fault.BackendRefused, err, "WireGuard device %s cannot be read or changed", device)
}

// described returns a fault whose cause goes to logs only.
func described(reason fault.Reason, cause error, format string, args ...any) *fault.Error {
	f := fault.New(reason, format, args...)
	f.Err = cause
	return f
}
