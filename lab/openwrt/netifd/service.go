// SPDX-License-Identifier: Apache-2.0

package netifd

import (
	"context"
	"encoding/json"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/lab/machine"
	"github.com/rhyzome/rhyzome/lab/openwrt/ubus"
)

const (
	netlinkDelLink = unix.RTM_DELLINK
	iffLowerUp     = unix.IFF_LOWER_UP
)

// instance is a process in `ubus call service list`; procd has it there.
type instance struct {
	Running bool     `json:"running"`
	PID     int      `json:"pid,omitempty"`
	Command []string `json:"command"`
}

type instances struct {
	Instances map[string]instance `json:"instances"`
}

// callService answers for procd, whose part the machine's init plays: its service a.b is the instance b of the service a.
func callService(method string, args json.RawMessage) (any, error) {
	var named struct {
		Name string `json:"name"`
	}
	switch {
	case method != "list":
		return nil, ubus.MethodNotFound
	case json.Unmarshal(args, &named) != nil:
		return nil, ubus.InvalidArgument
	}
	all, err := machine.Inside().List(context.Background())
	if err != nil {
		return nil, ubus.UnknownError
	}
	services := map[string]instances{}
	for _, s := range all {
		service, name, ok := strings.Cut(s.Name, ".")
		if !ok {
			name = "instance1"
		}
		if named.Name != "" && named.Name != service {
			continue
		}
		if services[service].Instances == nil {
			services[service] = instances{map[string]instance{}}
		}
		services[service].Instances[name] = instance{Running: s.PID != 0, PID: s.PID, Command: s.Args}
	}
	return services, nil
}
