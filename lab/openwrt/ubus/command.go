// SPDX-License-Identifier: Apache-2.0

package ubus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"time"
)

const usage = `Usage: ubus [<options>] <command> [arguments...]
Options:
 -t <timeout>:		Set the timeout (in seconds) for a command to complete
 -S:			Use simplified output (for scripts)
 -v:			More verbose output

Commands:
 - list [<path>]			List objects
 - call <path> <method> [<message>]	Call an object method
 - wait_for <object> [<object>...]	Wait for multiple objects to appear on ubus

`

const noBus = 255 // exit status without a bus, as -1 is seen by shells

type command struct {
	out, errors io.Writer
	simple      bool
	timeout     time.Duration
}

// Main is the program ubus.
func Main(args []string, out, errors io.Writer) int {
	c := command{out: out, errors: errors, timeout: 30 * time.Second}
	args, ok := c.options(args)
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	if !ok || len(args) == 0 {
		fmt.Fprint(errors, usage)
		return 1
	}
	switch verb, rest := args[0], args[1:]; {
	case verb == "call" && (len(rest) == 2 || len(rest) == 3):
		return c.call(ctx, rest)
	case verb == "list" && len(rest) < 2:
		return c.list(ctx, rest)
	case verb == "wait_for" && len(rest) > 0:
		return c.waitFor(ctx, rest)
	}
	fmt.Fprint(errors, usage)
	return 2
}

func (c *command) options(args []string) ([]string, bool) {
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		switch args[0] {
		case "-S":
			c.simple = true
		case "-v":
		case "-t":
			if len(args) < 2 {
				return nil, false
			}
			seconds, err := strconv.Atoi(args[1])
			if err != nil {
				return nil, false
			}
			c.timeout = time.Duration(seconds) * time.Second
			args = args[1:]
		default:
			return nil, false
		}
		args = args[1:]
	}
	return args, true
}

func (c *command) call(ctx context.Context, args []string) int {
	message := json.RawMessage("{}")
	if len(args) == 3 {
		message = json.RawMessage(args[2])
		if !json.Valid(message) {
			fmt.Fprintln(c.errors, "Failed to parse message data")
			return 255
		}
	}
	answer, err := exchange(ctx, request{Object: args[0], Method: args[1], Args: message})
	if err != nil {
		fmt.Fprintln(c.errors, "Failed to connect to ubus")
		return noBus
	}
	if answer.Status != OK {
		fmt.Fprintf(c.errors, "Command failed: %v\n", answer.Status)
		return int(answer.Status)
	}
	if answer.Data == nil {
		return 0
	}
	var text bytes.Buffer
	if c.simple {
		err = json.Compact(&text, answer.Data)
	} else {
		err = json.Indent(&text, answer.Data, "", "\t")
	}
	if err != nil {
		fmt.Fprintln(c.errors, err)
		return int(UnknownError)
	}
	fmt.Fprintln(c.out, text.String())
	return 0
}

func (c *command) list(ctx context.Context, args []string) int {
	answer, err := exchange(ctx, request{})
	if err != nil {
		fmt.Fprintln(c.errors, "Failed to connect to ubus")
		return noBus
	}
	found := false
	for _, name := range answer.List {
		if len(args) == 1 {
			if ok, err := path.Match(args[0], name); err != nil || !ok {
				continue
			}
		}
		found = true
		fmt.Fprintln(c.out, name)
	}
	if !found {
		fmt.Fprintf(c.errors, "Command failed: %v\n", NotFound)
		return int(NotFound)
	}
	return 0
}

// waitFor ends when all objects are there. It asks: there is no event to wait for before the bus is.
func (c *command) waitFor(ctx context.Context, names []string) int {
	for ; ctx.Err() == nil; <-time.After(100 * time.Millisecond) {
		answer, err := exchange(ctx, request{})
		if err == nil && !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(answer.List, n) }) {
			return 0
		}
	}
	fmt.Fprintln(c.errors, "Command failed: Request timed out")
	return 7
}
