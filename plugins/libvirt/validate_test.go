// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"slices"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		spec   func() provider.InstanceSpec
		change func(*provider.InstanceSpec)
		fields []string // refused
	}{
		{"a vm", vmSpec, func(*provider.InstanceSpec) {}, nil},
		{"a unikernel", unikernelSpec, func(*provider.InstanceSpec) {}, nil},
		{"no seed, no network, stopped", vmSpec, func(s *provider.InstanceSpec) {
			s.CloudInit, s.NICs, s.Power = nil, nil, provider.PowerStopped
		}, nil},
		{"an id that is a path", vmSpec, func(s *provider.InstanceSpec) { s.ID = "../../etc" }, []string{"/id"}},
		{"an id in upper case", vmSpec, func(s *provider.InstanceSpec) { s.ID = strings.ToUpper(s.ID) }, []string{"/id"}},
		{"another host", vmSpec, func(s *provider.InstanceSpec) { s.HostID = "host-2" }, []string{"/host_id"}},
		{"nothing at all", vmSpec, func(s *provider.InstanceSpec) { *s = provider.InstanceSpec{} },
			[]string{"/id", "/host_id", "/vcpus", "/memory_bytes", "/power", "/name", "/image/sha256", "/kind"}},
		{"a digest that is a path", vmSpec, func(s *provider.InstanceSpec) { s.Image.SHA256 = "../x" }, []string{"/image/sha256"}},
		{"a title with a line end", vmSpec, func(s *provider.InstanceSpec) { s.Name = "a\nb" }, []string{"/name"}},
		{"a vm from a kernel", vmSpec, func(s *provider.InstanceSpec) { s.Image.Format = provider.ImageKernel }, []string{"/image/format"}},
		{"a vm with a command line", vmSpec, func(s *provider.InstanceSpec) { s.CommandLine = "x" }, []string{"/command_line"}},
		{"a disk of negative size", vmSpec, func(s *provider.InstanceSpec) { s.DiskBytes = -1 }, []string{"/disk_bytes"}},
		{"a unikernel from a disk", unikernelSpec, func(s *provider.InstanceSpec) { s.Image.Format = provider.ImageRaw }, []string{"/image/format"}},
		{"a unikernel with a root disk", unikernelSpec, func(s *provider.InstanceSpec) { s.DiskBytes = 1 }, []string{"/disk_bytes"}},
		{"a command line with a NUL", unikernelSpec, func(s *provider.InstanceSpec) { s.CommandLine = "a\x00b" }, []string{"/command_line"}},
		{"a command line with a line end", unikernelSpec, func(s *provider.InstanceSpec) { s.CommandLine = "a\nb" }, []string{"/command_line"}},
		{"a command line that is no text", unikernelSpec, func(s *provider.InstanceSpec) { s.CommandLine = "\xff" }, []string{"/command_line"}},
		{"an initrd that is a path", unikernelSpec, func(s *provider.InstanceSpec) {
			s.Initrd = &provider.ImageRef{SHA256: "/etc/passwd"}
		}, []string{"/initrd/sha256"}},
		{"an unknown fabric", vmSpec, func(s *provider.InstanceSpec) { s.NICs[0].Fabric = "wan" }, []string{"/nics/0/fabric"}},
		{"VLAN 0", vmSpec, func(s *provider.InstanceSpec) { s.NICs[0].SegmentID = 0 }, []string{"/nics/0/segment_id"}},
		{"VLAN 4095", vmSpec, func(s *provider.InstanceSpec) { s.NICs[0].SegmentID = 4095 }, []string{"/nics/0/segment_id"}},
		{"a multicast address", vmSpec, func(s *provider.InstanceSpec) { s.NICs[0].MAC = "01:00:5e:00:00:01" }, []string{"/nics/0/mac"}},
		{"an address of eight bytes", vmSpec, func(s *provider.InstanceSpec) { s.NICs[0].MAC = "52:54:00:12:34:56:78:9a" }, []string{"/nics/0/mac"}},
		{"a port without an id", vmSpec, func(s *provider.InstanceSpec) { s.NICs[0].PortID = "" }, []string{"/nics/0/port_id"}},
		{"an MTU that is too small", vmSpec, func(s *provider.InstanceSpec) { s.NICs[0].MTU = 68 }, []string{"/nics/0/mtu"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := c.spec()
			c.change(&spec)
			var fields []string
			if f := fault.Of(testConfig().validate(spec)); f != nil {
				for _, v := range f.Fields {
					fields = append(fields, v.Field)
				}
			}
			if !slices.Equal(fields, c.fields) {
				t.Errorf("refused %q, want %q", fields, c.fields)
			}
		})
	}
}
