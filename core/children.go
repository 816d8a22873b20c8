// SPDX-License-Identifier: Apache-2.0

package core

import (
	"fmt"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// manyChildren is how many children a fault names.
const manyChildren = 10

// HasChildren refuses to delete what others stand on, naming those; nil if there are none. Both are "kind name".
func HasChildren(parent string, children []string) error {
	if len(children) == 0 {
		return nil
	}
	names, more := children, ""
	if len(names) > manyChildren {
		more = fmt.Sprintf(" and %d more", len(names)-manyChildren)
		names = names[:manyChildren]
	}
	return fault.New(fault.HasChildren, "%s is in use by %s%s; delete them first", parent, strings.Join(names, ", "), more).
		With("children", strings.Join(names, ","))
}
