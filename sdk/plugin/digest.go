// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"os"

	"github.com/rhyzome/rhyzome/sdk/attach"
)

// ownDigest is that of the program of this process.
func ownDigest() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return attach.Digest(path)
}
