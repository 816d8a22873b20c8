// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

//go:embed config.schema.json
var configSchema json.RawMessage

// config is what config.schema.json describes. Ranges and patterns are checked by the SDK, against that schema.
type config struct {
	Router      routerConfig      `json:"router"`
	Fabrics     map[string]fabric `json:"fabrics"`
	Endpoint    *endpoint         `json:"endpoint"`
	WANZone     string            `json:"wan_zone"`
	MTU         int               `json:"mtu"`
	MaxNetworks int               `json:"max_networks"`
	Paths       paths             `json:"paths"`
}

type routerConfig struct {
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// fabric is how this router reaches one.
type fabric struct {
	Trunk  string `json:"trunk"`
	Mode   mode   `json:"mode"`
	Bridge string `json:"bridge"`
}

type mode string

// The modes; config.schema.json says what they mean.
const (
	modeVLANBridge mode = "vlan_bridge"
	modeVLANDevice mode = "vlan_device"
	modePrepared   mode = "prepared"
)

const defaultBridge = "br-rz"

type endpoint struct {
	Host           string `json:"host"`
	PortMin        int    `json:"port_min"`
	PortMax        int    `json:"port_max"`
	OutsidePortMin int    `json:"outside_port_min"`
}

type paths struct {
	Config string `json:"config"`
	State  string `json:"state"`
}

const (
	defaultMTU = 1500
	// A VLAN device is named TRUNK.VID, and Linux' names have 15 characters.
	maxTrunk = 10
)

// parseConfig reads the settings. It reports all faults at once.
func parseConfig(text json.RawMessage) (config, error) {
	c := config{
		WANZone: "wan", MTU: defaultMTU, MaxNetworks: 30,
		Paths: paths{Config: "/etc/config", State: "/etc/rhyzome/openwrt"},
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return config{}, fault.Invalid("", "%v", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return config{}, fault.Invalid("", "something follows the JSON object")
	}
	faults := append(c.completeFabrics(), c.Endpoint.check()...)
	faults = append(faults, absolute("/paths/config", c.Paths.Config), absolute("/paths/state", c.Paths.State))
	return c, fault.Join(faults...)
}

func absolute(field, path string) *fault.Error {
	if !filepath.IsAbs(path) || filepath.Clean(path) == "/" {
		return fault.Invalid(field, "must be an absolute path of its own")
	}
	return nil
}

// completeFabrics fills in what was left out, and checks that no two fabrics are in each other's way.
func (c *config) completeFabrics() []*fault.Error {
	var faults []*fault.Error
	bridges, trunks := map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Fabrics)) {
		f, at := c.Fabrics[name], "/fabrics/"+name
		if f.Mode == "" {
			f.Mode = modeVLANBridge
		}
		if f.Bridge == "" && f.Mode == modeVLANBridge {
			f.Bridge = defaultBridge
		}
		c.Fabrics[name] = f
		if other, taken := trunks[f.Trunk]; taken {
			faults = append(faults, fault.Invalid(at+"/trunk", "fabric %s uses it already", other))
		}
		trunks[f.Trunk] = name
		switch other, taken := bridges[f.Bridge]; {
		case f.Mode != modeVLANBridge && f.Bridge != "":
			faults = append(faults, fault.Invalid(at+"/bridge", "is for mode vlan_bridge"))
		case f.Mode != modeVLANBridge && len(f.Trunk) > maxTrunk:
			faults = append(faults, fault.Invalid(at+"/trunk", "must have at most %d characters", maxTrunk))
		case f.Mode == modeVLANBridge && taken:
			faults = append(faults, fault.Invalid(at+"/bridge", "fabric %s uses %s already; name another", other, f.Bridge))
		case f.Mode == modeVLANBridge:
			bridges[f.Bridge] = name
		}
	}
	return faults
}

func (e *endpoint) check() []*fault.Error {
	if e == nil {
		return nil
	}
	var faults []*fault.Error
	if e.PortMax < e.PortMin {
		faults = append(faults, fault.Invalid("/endpoint/port_max", "must not be less than port_min"))
	}
	if last := e.OutsidePortMin + e.PortMax - e.PortMin; e.OutsidePortMin != 0 && last > 65535 {
		faults = append(faults, fault.Invalid("/endpoint/outside_port_min", "the last port would be %d", last))
	}
	return faults
}

func (e *endpoint) public() *provider.Endpoint {
	if e == nil {
		return nil
	}
	return &provider.Endpoint{Host: e.Host, PortMin: e.PortMin, PortMax: e.PortMax, OutsidePortMin: e.OutsidePortMin}
}

// device returns the Linux device that carries a network's LAN.
func (f fabric) device(handle string, vlan int) string {
	switch f.Mode {
	case modeVLANBridge:
		return fmt.Sprintf("%s.%d", f.Bridge, vlan)
	case modeVLANDevice:
		return "rz-" + handle
	default:
		return fmt.Sprintf("%s.%d", f.Trunk, vlan)
	}
}
