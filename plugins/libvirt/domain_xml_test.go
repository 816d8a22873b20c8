// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

const (
	instanceID = "0198c0de-0000-7000-8000-000000000001"
	portID     = "0198c0de-0000-7000-8000-0000000000a1"
	otherPort  = "0198c0de-0000-7000-8000-0000000000a2"
)

func testConfig() config {
	c := defaults()
	c.Host.ID = "host-1"
	c.Fabrics = map[string]fabric{"lan": {Kind: "openvswitch", Bridge: "br-rz"}, "storage": {Kind: "openvswitch", Bridge: "br-st"}}
	return c
}

func vmSpec() provider.InstanceSpec {
	return provider.InstanceSpec{
		Tag:     provider.Tag{ID: instanceID, Generation: 3, SpecDigest: "d1"},
		Project: "alice", Name: "web", HostID: "host-1", Kind: provider.InstanceVM,
		VCPUs: 2, MemoryBytes: 512 << 20, DiskBytes: 10 << 30,
		Image: provider.ImageRef{SHA256: strings.Repeat("a", 64), Format: provider.ImageQCOW2, SizeBytes: 1 << 20},
		NICs: []provider.NIC{{
			PortID: portID, NetworkID: "n", Fabric: "lan", SegmentID: 120, MAC: "52:54:00:12:34:56", MTU: 1450,
		}},
		CloudInit: &provider.CloudInit{MetaData: "local-hostname: web\n"},
		Power:     provider.PowerRunning,
	}
}

func unikernelSpec() provider.InstanceSpec {
	s := vmSpec()
	s.Kind, s.DiskBytes, s.CloudInit = provider.InstanceUnikernel, 0, nil
	s.Image.Format = provider.ImageKernel
	s.CommandLine = `dhcp && chain http://10.0.0.1/?a="b"&c=<d>,e='f'`
	return s
}

func TestDomainDefinition(t *testing.T) {
	twoNICs := vmSpec()
	twoNICs.Image.Format, twoNICs.CloudInit = provider.ImageRaw, nil
	twoNICs.NICs = append(twoNICs.NICs, provider.NIC{PortID: otherPort, Fabric: "storage", SegmentID: 7, MAC: "52:54:00:12:34:57"})
	alone := vmSpec()
	alone.NICs = nil
	withInitrd := unikernelSpec()
	withInitrd.Initrd = &provider.ImageRef{SHA256: strings.Repeat("b", 64), Format: provider.ImageInitrd}
	for _, c := range []struct {
		name, domainType string
		spec             provider.InstanceSpec
	}{
		{"vm-kvm", typeKVM, vmSpec()},
		{"vm-emulated", typeQEMU, vmSpec()},
		{"vm-raw-two-nics-no-seed", typeKVM, twoNICs},
		{"vm-without-network", typeKVM, alone},
		{"unikernel", typeQEMU, unikernelSpec()},
		{"unikernel-initrd", typeKVM, withInitrd},
	} {
		t.Run(c.name, func(t *testing.T) {
			// An emulated host is like the lab's: no KVM, and no Open vSwitch in the kernel.
			around := surroundings{domainType: c.domainType, userspace: map[string]bool{"br-rz": c.domainType == typeQEMU}}
			definition, err := testConfig().defineDomain(c.spec, newMark(c.spec, ""), around)
			if err != nil {
				t.Fatal(err)
			}
			got, err := definition.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "domain", c.name+".xml")
			if *update {
				if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got+"\n" != string(want) {
				t.Errorf("%s (run with -update if it is meant):\n%s", path, got)
			}
		})
	}
}
