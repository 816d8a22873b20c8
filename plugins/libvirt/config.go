// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

//go:embed config.schema.json
var configSchema json.RawMessage

// config is what config.schema.json describes. Ranges and patterns are checked by the SDK, against that schema.
type config struct {
	URI                 string            `json:"uri"`
	DataDir             string            `json:"data_dir"`
	Host                hostConfig        `json:"host"`
	Fabrics             map[string]fabric `json:"fabrics"`
	VCPUOvercommit      float64           `json:"vcpu_overcommit"`
	ReservedMemoryBytes int64             `json:"reserved_memory_bytes"`
	ReservedDiskBytes   int64             `json:"reserved_disk_bytes"`
	ShutdownSeconds     int64             `json:"shutdown_seconds"`
}

type hostConfig struct {
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// fabric is how this machine reaches one.
type fabric struct {
	Kind   string `json:"kind"`
	Bridge string `json:"bridge"`
}

func defaults() config {
	return config{
		URI:                 "qemu:///system",
		DataDir:             "/var/lib/rhyzome-libvirt",
		VCPUOvercommit:      4,
		ReservedMemoryBytes: 512 << 20,
		ReservedDiskBytes:   1 << 30,
		ShutdownSeconds:     60,
	}
}

// parseConfig reads the settings and adds what the machine itself knows.
func parseConfig(text json.RawMessage) (config, error) {
	c := defaults()
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return config{}, fault.Invalid("", "%v", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return config{}, fault.Invalid("", "something follows the JSON object")
	}
	var faults []*fault.Error
	if clean := filepath.Clean(c.DataDir); !filepath.IsAbs(clean) || clean == "/" {
		faults = append(faults, fault.Invalid("/data_dir", "must be an absolute path of its own"))
	} else {
		c.DataDir = clean
	}
	faults = append(faults, c.Host.complete()...)
	return c, fault.Join(faults...)
}

const machineIDPath = "/etc/machine-id"

// complete fills in what was left out.
func (h *hostConfig) complete() []*fault.Error {
	var faults []*fault.Error
	if h.ID == "" {
		id, err := os.ReadFile(machineIDPath)
		h.ID = strings.TrimSpace(string(id))
		if err != nil || h.ID == "" {
			faults = append(faults, fault.Invalid("/host/id", "is needed, because %s tells nothing", machineIDPath))
		}
	}
	if h.Name == "" {
		name, err := os.Hostname()
		h.Name = name
		if err != nil || name == "" {
			faults = append(faults, fault.Invalid("/host/name", "is needed, because the machine has no host name"))
		}
	}
	return faults
}

func (c config) shutdownTime() time.Duration { return time.Duration(c.ShutdownSeconds) * time.Second }

func (c config) imagesDir() string { return filepath.Join(c.DataDir, "images") }

func (c config) instancesDir() string { return filepath.Join(c.DataDir, "instances") }

// instanceDir holds all files of one instance.
func (c config) instanceDir(id string) string { return filepath.Join(c.instancesDir(), id) }

// makeDirs makes the directories. QEMU runs as another user and must be able to pass through, not to list.
func (c config) makeDirs() error {
	for _, dir := range []string{c.DataDir, c.imagesDir(), c.instancesDir()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fault.Invalid("/data_dir", "%v", err)
		}
	}
	return nil
}
