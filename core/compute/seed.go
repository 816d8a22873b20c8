// SPDX-License-Identifier: Apache-2.0

package compute

import (
	"fmt"
	"strings"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// seed writes a NoCloud seed. Its three files are YAML; what users wrote is quoted as Go does,
// whose escapes YAML reads.
func seed(i core.Instance, attached []attachment) *provider.CloudInit {
	c := &provider.CloudInit{
		UserData:      i.Spec.CloudInit.UserData,
		MetaData:      fmt.Sprintf("instance-id: %s\nlocal-hostname: %s\n", i.ID, i.Name),
		NetworkConfig: networkConfig(attached),
	}
	keys := i.Spec.CloudInit.SSHKeys
	switch {
	case len(keys) == 0 && c.UserData == "":
		c.UserData = "#cloud-config\n{}\n"
	case len(keys) > 0 && c.UserData == "":
		c.UserData = "#cloud-config\nssh_authorized_keys:\n" + quotedList("  ", keys)
	case len(keys) > 0:
		// The user's own user-data is not ours to edit; cloud-init takes keys from the meta-data too.
		c.MetaData += "public-keys:\n" + quotedList("  ", keys)
	}
	return c
}

// networkConfig is version 2 of cloud-init's format. IPv4 comes by DHCP, which knows the address too. IPv6 is written
// down, because not every guest speaks DHCPv6. The first network is the way out.
func networkConfig(attached []attachment) string {
	if len(attached) == 0 {
		return "version: 2\nethernets: {}\n"
	}
	var b strings.Builder
	b.WriteString("version: 2\nethernets:\n")
	for n, a := range attached {
		fmt.Fprintf(&b, "  nic%d:\n    match:\n      macaddress: %q\n    mtu: %d\n    dhcp4: true\n", n, a.port.MAC, a.network.Status.MTU)
		for _, p := range a.addresses {
			if p.Addr().Is6() {
				fmt.Fprintf(&b, "    addresses:\n      - %q\n", p)
			}
		}
		var gateways []string
		for _, s := range a.network.Status.Subnets {
			gateways = append(gateways, s.Gateway)
			if v6 := strings.Contains(s.Gateway, ":"); v6 && n == 0 {
				fmt.Fprintf(&b, "    routes:\n      - to: \"::/0\"\n        via: %q\n", s.Gateway)
			}
		}
		fmt.Fprintf(&b, "    nameservers:\n      search:\n        - %q\n      addresses:\n%s",
			a.network.Status.Domain, quotedList("        ", gateways))
	}
	return b.String()
}

func quotedList(indent string, items []string) string {
	var b strings.Builder
	for _, item := range items {
		fmt.Fprintf(&b, "%s- %q\n", indent, item)
	}
	return b.String()
}
