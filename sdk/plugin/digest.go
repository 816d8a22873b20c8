// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
)

// digestOf returns the SHA-256 of a program, which operators compare with that of a conformance report; empty if it cannot
// be read, as nothing else depends on it.
func digestOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// ownDigest is that of this process.
func ownDigest() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return digestOf(path)
}
