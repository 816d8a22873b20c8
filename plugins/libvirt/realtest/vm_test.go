// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// vmSpec is a guest that boots and serves, on a VLAN of newNetwork.
func vmSpec(image provider.ImageRef, vlan int) provider.InstanceSpec {
	spec := smallSpec(image, vlan)
	spec.MemoryBytes, spec.DiskBytes = 128<<20, 64<<20
	spec.CloudInit.NetworkConfig = fmt.Sprintf("version: 2\nethernets:\n  nic0:\n    match: {macaddress: %q}\n    dhcp4: true\n    addresses: [%q]\n",
		spec.NICs[0].MAC, fmt.Sprintf("fd00:%d::5/64", vlan))
	return spec
}

func TestVM(t *testing.T) {
	p := newProvider(t)
	image := pushVM(t, p)
	spec := vmSpec(image, 11)
	router := newNetwork(t, 11, map[string]string{spec.NICs[0].MAC: "10.11.0.5"})
	removeAtEnd(t, spec.ID)

	began := time.Now()
	made := apply(t, p, spec)
	if made.ID != spec.ID || made.Generation != 1 || made.SpecDigest != "digest-1" || made.Phase != provider.PhaseReady ||
		made.Power != provider.PowerRunning || made.HostID != "hv-1" || made.BackendRef != "rz-"+spec.ID {
		t.Errorf("ApplyInstance = %+v", made)
	}
	expectTraces(t, spec.ID, whole)
	t.Logf("defined and started in %v", time.Since(began))

	eventually(t, patience, "the guest's web server answers", func() bool {
		page, err := router.try("curl", "-sS", "-m", "2", "http://10.11.0.5/")
		return err == nil && page == "web\n"
	})
	t.Logf("the guest serves %v after the call", time.Since(began))
	if page := router.run(t, "curl", "-sS", "-m", "5", "http://[fd00:11::5]/cgi-bin/addresses"); !strings.Contains(page, "10.11.0.5/24") {
		t.Errorf("the guest's addresses: %s", page)
	}
	if mtu := ask(t, spec.ID, "cat /sys/class/net/eth0/mtu"); mtu != "1400" {
		t.Errorf("the guest's MTU is %s", mtu)
	}
	if size := ask(t, spec.ID, "blockdev --getsize64 /dev/vda"); size != fmt.Sprint(64<<20) {
		t.Errorf("the guest's disk has %s bytes", size)
	}
	if out := ask(t, spec.ID, "dd if=/dev/zero of=/dev/vdb count=1 2>&1"); !strings.Contains(out, "not permitted") && !strings.Contains(out, "Read-only") {
		t.Errorf("the guest writes its seed: %s", out)
	}
	port := run(t, "ovs-vsctl", "--bare", "--columns=name", "find", "Interface", "external_ids:iface-id=\""+spec.NICs[0].PortID+"\"")
	if tag := run(t, "ovs-vsctl", "get", "port", strings.TrimSpace(port), "tag"); tag != "11\n" {
		t.Errorf("the port's tag is %s", tag)
	}
	if log, err := os.ReadFile(filepath.Join(dataDir, "instances", spec.ID, "console.log")); err != nil || !strings.Contains(string(log), "lab guest web is up") {
		t.Errorf("the console's log: %v: %s", err, log)
	}
	info, err := os.Stat(filepath.Join(dataDir, "images", image.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	if owner := run(t, "stat", "-c", "%U %a", filepath.Join(dataDir, "images", image.SHA256)); owner != "root 644\n" {
		t.Errorf("the image of many instances belongs to %s (%v)", owner, info.Mode())
	}
}
