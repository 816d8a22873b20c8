// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// machineIDFile is where systemd keeps a machine's id.
const machineIDFile = "/etc/machine-id"

// machineID returns the stable id of this machine. Where the system has none (OpenWrt), one is made and kept beside the
// identity.
func (s settings) machineID() (string, error) {
	if s.MachineID != "" {
		return s.MachineID, nil
	}
	own := filepath.Join(s.StateDir, "machine-id")
	system, err := readID(machineIDFile)
	if err != nil {
		return "", err
	}
	kept, err := readID(own)
	if err != nil {
		return "", err
	}
	if id := cmp.Or(system, kept); id != "" {
		return id, nil
	}
	random := make([]byte, 16)
	rand.Read(random) // never fails
	id := hex.EncodeToString(random)
	return id, writeWhole(own, []byte(id+"\n"))
}

// readID returns "" if there is no file.
func readID(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("machine id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
