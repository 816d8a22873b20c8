// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// report tells an error: what went wrong, with which fields, and what to do; it returns the exit code.
func report(ctx context.Context, cmd *cobra.Command, err error) int {
	s := styleOf(cmd.ErrOrStderr())
	code := exitCode(ctx, err)
	var f *fault.Error
	if code == exitInterrupted || !errors.As(err, &f) {
		fmt.Fprintf(s.w, "%s %s\n", s.red("Error:"), plainError(code, err))
		return code
	}
	tell(s, cmd, err, f)
	return code
}

func plainError(code int, err error) string {
	if code == exitInterrupted {
		return "interrupted"
	}
	return err.Error()
}

func tell(s style, cmd *cobra.Command, err error, f *fault.Error) {
	if len(f.Fields) == 0 {
		fmt.Fprintf(s.w, "%s %s\n", s.red("Error:"), err)
	} else {
		fmt.Fprintf(s.w, "%s the request cannot be used:\n", s.red("Error:"))
		for _, v := range f.Fields {
			fmt.Fprintf(s.w, "  %s %s\n", s.bold(place(cmd, v.Field)), v.Description)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.Metadata)) {
		if key != client.RequestID && key != operationKey {
			fmt.Fprintf(s.w, "  %s: %s\n", key, f.Metadata[key])
		}
	}
	if way := wayOut(cmd, err, f); way != "" {
		fmt.Fprintf(s.w, "%s\n", way)
	}
	about := "code " + string(f.Reason)
	if id := f.Metadata[client.RequestID]; id != "" {
		about += ", request " + id
	}
	fmt.Fprintf(s.w, "%s\n", s.faint("("+about+")"))
}

// operationKey is the key of a fault's metadata that names the operation which is in the way, or goes on.
const operationKey = "operation"

// wayOut says what the reader can do.
func wayOut(cmd *cobra.Command, err error, f *fault.Error) string {
	var end *unfinished
	switch {
	case errors.As(err, &end):
		return "See: rhyzome operation get " + end.op.ID
	case f.Metadata[operationKey] != "" && (f.Reason == fault.ResourceBusy || f.Reason == fault.Timeout):
		return "Wait for it: rhyzome operation wait " + f.Metadata[operationKey]
	case f.Reason == fault.InvalidField && len(f.Fields) > 0:
		return "See: " + cmd.CommandPath() + " --help"
	case f.Reason == fault.UnknownResource && cmd.HasParent() && cmd.Flag("network") != nil:
		return "See: rhyzome network list, " + cmd.Parent().CommandPath() + " list"
	case f.Reason == fault.UnknownResource && cmd.HasParent():
		return "See: " + cmd.Parent().CommandPath() + " list"
	case f.Reason == fault.Unauthorized:
		return "Check the token: rhyzome context list, --token-file, RHYZOME_TOKEN."
	case f.Reason == fault.CertRefused:
		return "Name the CA of the core: --ca-file, RHYZOME_CA_FILE, or rhyzome context set."
	}
	for _, about := range fault.Reasons {
		if about.Reason == f.Reason {
			return about.WayOut
		}
	}
	return ""
}

// Annotations of flags.
const (
	fieldOf = "field" // it sets a field of the request
	fileOf  = "file"  // it names a file that holds a part of the request
)

// place says where on the command line a field of the request comes from.
func place(cmd *cobra.Command, field string) string {
	if field == "/name" && strings.Contains(cmd.Use, "NAME") {
		return "NAME"
	}
	found := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		for _, at := range f.Annotations[fieldOf] {
			if field == at || strings.HasPrefix(field, at+"/") {
				found = "--" + f.Name
			}
		}
	})
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		for _, part := range f.Annotations[fileOf] {
			if at, ok := strings.CutPrefix(field, part); ok && (at == "" || at[0] == '/') {
				found = strings.TrimSpace(f.Value.String() + " " + at)
			}
		}
	})
	if found != "" {
		return found
	}
	return field
}
