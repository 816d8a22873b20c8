// SPDX-License-Identifier: Apache-2.0

package realtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestBadSpecsLeaveNothing(t *testing.T) {
	p := newProvider(t)
	image := emptyDisk(t, p)
	missing := image
	missing.SHA256 = strings.Repeat("0", 64)
	mislabelled := image
	mislabelled.Format = provider.ImageQCOW2
	for _, c := range []struct {
		name   string
		change func(*provider.InstanceSpec)
		want   fault.Reason
		left   traces // beside nothing: what Delete has to remove
	}{
		{"no such image", func(s *provider.InstanceSpec) { s.Image = missing }, fault.ImageMissing, traces{}},
		{"unknown fabric", func(s *provider.InstanceSpec) { s.NICs[0].Fabric = "wan" }, fault.InvalidField, traces{}},
		{"more memory than the machine has", func(s *provider.InstanceSpec) { s.MemoryBytes = 1 << 50 }, fault.NoCapacity, traces{Domains: 1, Directories: 1}},
		{"a disk smaller than the image", func(s *provider.InstanceSpec) { s.DiskBytes = 512 }, fault.InvalidField, traces{Domains: 1, Directories: 1}},
		{"raw content called qcow2", func(s *provider.InstanceSpec) { s.Image = mislabelled }, fault.InvalidField, traces{Domains: 1, Directories: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := smallSpec(image, 40)
			c.change(&spec)
			removeAtEnd(t, spec.ID)
			_, err := p.ApplyInstance(within(t, patience), spec, quiet)
			expectReason(t, err, c.want)
			expectTraces(t, spec.ID, c.left)
		})
	}
}

func TestImageInUse(t *testing.T) {
	p := newProvider(t)
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	image := push(t, p, path, provider.ImageRaw)
	spec := smallSpec(image, 41)
	removeAtEnd(t, spec.ID)
	apply(t, p, spec)
	expectReason(t, p.DeleteImage(within(t, patience), image.SHA256), fault.InUse)
	if i, err := p.GetImage(t.Context(), image.SHA256); err != nil || !i.Ready {
		t.Errorf("GetImage = %+v, %v", i, err)
	}
	if err := p.DeleteInstance(within(t, patience), spec.ID, quiet); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.DeleteImage(within(t, patience), image.SHA256); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.GetImage(t.Context(), image.SHA256); fault.ReasonOf(err) != fault.NoSuchObject {
		t.Errorf("GetImage = %v", err)
	}
}

func TestDiskGrowsAndNeverShrinks(t *testing.T) {
	p := newProvider(t)
	configure(t, p, strings.Replace(settings, "{", `{"shutdown_seconds":1,`, 1))
	image := emptyDisk(t, p)
	spec := smallSpec(image, 42)
	spec.DiskBytes = 2 << 20
	removeAtEnd(t, spec.ID)
	overlay := filepath.Join(dataDir, "instances", spec.ID, "overlay.qcow2")
	size := func() string {
		var info struct {
			Size json.Number `json:"virtual-size"`
		}
		if err := json.Unmarshal([]byte(run(t, "qemu-img", "info", "-U", "--output=json", overlay)), &info); err != nil {
			t.Fatal(err)
		}
		return info.Size.String()
	}
	apply(t, p, spec)
	running := next(spec, provider.PowerRunning)
	running.DiskBytes = 3 << 20
	apply(t, p, running)
	if size() != "3145728" {
		t.Errorf("grown while it runs: %s", size())
	}
	halted := next(running, provider.PowerStopped)
	halted.DiskBytes = 4 << 20
	apply(t, p, halted)
	apply(t, p, func() provider.InstanceSpec {
		s := next(halted, provider.PowerStopped)
		s.DiskBytes = 5 << 20
		return s
	}())
	if size() != "5242880" {
		t.Errorf("grown while it is stopped: %s", size())
	}
	_, err := p.ApplyInstance(within(t, patience), next(halted, provider.PowerStopped), quiet)
	expectReason(t, err, fault.InvalidField)

	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := next(halted, provider.PowerStopped)
	changed.DiskBytes, changed.Image = 5<<20, push(t, p, other, provider.ImageRaw)
	_, err = p.ApplyInstance(within(t, patience), changed, quiet)
	expectReason(t, err, fault.InvalidField)
}

// TestOtherSettings: a provider is configured anew while an instance runs.
func TestOtherSettings(t *testing.T) {
	p := newProvider(t)
	spec := smallSpec(emptyDisk(t, p), 43)
	removeAtEnd(t, spec.ID)
	apply(t, p, spec)
	for _, uri := range []string{"qemu:///system?socket=/nowhere", "qemu:///system"} {
		configure(t, p, strings.Replace(settings, "{", `{"uri":"`+uri+`",`, 1))
		err := p.Check(t.Context())
		if uri == "qemu:///system" && err != nil {
			t.Errorf("Check = %v", err)
		} else if uri != "qemu:///system" {
			expectReason(t, err, fault.BackendDown)
		}
	}
	if i, err := p.GetInstance(t.Context(), spec.ID); err != nil || i.Power != provider.PowerRunning {
		t.Errorf("GetInstance = %+v, %v", i, err)
	}
}
