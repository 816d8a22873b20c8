// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

const errorsHead = `<!-- Generated from sdk/fault by openapi/generate; do not edit. -->

# Errors

Every failure has a code that never changes its meaning. Programs act on the code; the message beside it is for people
and may change.

- **REST** answers with a problem (RFC 9457, ` + "`application/problem+json`" + `). Its ` + "`code`" + ` is one of those below, its ` + "`type`" + `
  a link to the code's section here. ` + "`detail`" + ` says what went wrong this time, ` + "`errors`" + ` which fields are to blame (JSON
  pointers, or ` + "`query:NAME`, `header:NAME`" + `), ` + "`request_id`" + ` where the core's log has more.
- **The command line** prints the code at the end of its message and exits with a number: ` + "`rhyzome exit-codes`" + `.
- **An operation** that failed holds the code in its ` + "`error`" + `. Faults that pass are not shown there: the operation waits,
  says for what, and tries again.
- **The contract** with providers carries it as the reason of one ` + "`google.rpc.ErrorInfo`" + `, in upper case, beside the gRPC
  code: ` + "`SUBNET_FULL`" + `. In Go: ` + "`errors.Is(err, &fault.Error{Reason: fault.SubnetFull})`" + `.

"Repeat" says whether the same request, unchanged, may succeed later. Not every code is ever answered over HTTP: those
that core and provider tell each other are seen in operations and logs. HTTP 499 is nobody's to read: the client had
hung up. A provider that is not from this repository may have codes of its own; its author explains them.

`

// errorsPage is docs/errors.md. The headings are the codes, because the links of problems lead to them.
func errorsPage() []byte {
	all := slices.SortedFunc(slices.Values(fault.Reasons), func(a, b fault.About) int { return cmp.Compare(a.Reason, b.Reason) })
	var out bytes.Buffer
	out.WriteString(errorsHead)
	out.WriteString("| Code | HTTP | gRPC | Repeat |\n|---|---|---|---|\n")
	for _, about := range all {
		repeat := "no"
		if about.Retry {
			repeat = "yes"
		}
		fmt.Fprintf(&out, "| [%s](#%s) | %d | %s | %s |\n",
			about.Reason, about.Reason, rest.Status(about.Reason), code.Code(about.Code), repeat)
	}
	for _, about := range all {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n- HTTP %s, gRPC %s\n- %s\n- **Way out:** %s\n",
			about.Reason, about.Meaning, status(about.Reason), code.Code(about.Code), repeating(about), about.WayOut)
	}
	return out.Bytes()
}

func repeating(about fault.About) string {
	if about.Retry {
		return "The same request may succeed later."
	}
	return "Repeating the same request does not help."
}

// status is the HTTP status with its name, if it has one.
func status(reason fault.Reason) string {
	number := rest.Status(reason)
	if name := http.StatusText(number); name != "" {
		return fmt.Sprintf("%d %s", number, name)
	}
	return fmt.Sprint(number)
}
