// SPDX-License-Identifier: Apache-2.0

package core

// Project owns resources: the boundary of visibility.
type Project struct {
	Meta
}
