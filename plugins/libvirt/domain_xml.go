// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"path/filepath"

	"libvirt.org/go/libvirtxml"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Names of the files in an instance's directory.
const (
	overlayFile = "overlay.qcow2"
	seedFile    = "seed.iso"
	kernelFile  = "kernel"
	initrdFile  = "initrd"
	consoleFile = "console.log"
)

// domainTypes of libvirt.
const (
	typeKVM  = "kvm"
	typeQEMU = "qemu" // emulation, where the machine has no KVM
)

// surroundings are what a definition depends on that is neither configured nor asked for.
type surroundings struct {
	domainType string
	userspace  map[string]bool // bridges whose packets Open vSwitch handles in user space
}

// defineDomain returns the definition of an instance's domain. It depends on nothing but its arguments.
func (c config) defineDomain(spec provider.InstanceSpec, m mark, around surroundings) (*libvirtxml.Domain, error) {
	metadata, err := m.text()
	if err != nil {
		return nil, err
	}
	d := &libvirtxml.Domain{
		Type:       around.domainType,
		Name:       namePrefix + spec.ID,
		UUID:       spec.ID,
		Title:      spec.Project + "/" + spec.Name,
		Metadata:   &libvirtxml.DomainMetadata{XML: metadata},
		Memory:     &libvirtxml.DomainMemory{Value: uint(spec.MemoryBytes), Unit: "bytes"},
		VCPU:       &libvirtxml.DomainVCPU{Value: uint(spec.VCPUs)},
		OS:         c.defineBoot(spec),
		Features:   &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}, APIC: &libvirtxml.DomainFeatureAPIC{}},
		CPU:        defineCPU(around.domainType),
		Clock:      &libvirtxml.DomainClock{Offset: "utc"},
		OnPoweroff: "destroy",
		OnReboot:   "restart",
		OnCrash:    "destroy",
		Devices: &libvirtxml.DomainDeviceList{
			Disks:       c.defineDisks(spec),
			Controllers: []libvirtxml.DomainController{{Type: "usb", Model: "none"}},
			Interfaces:  c.defineInterfaces(spec.NICs, around),
			Serials:     []libvirtxml.DomainSerial{c.defineConsole(spec.ID)},
			RNGs: []libvirtxml.DomainRNG{{Model: "virtio", Backend: &libvirtxml.DomainRNGBackend{
				Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"},
			}}},
		},
	}
	if spec.Kind == provider.InstanceUnikernel {
		// Not all of them know serial ports; a screenshot shows what they write to the display.
		d.Devices.Videos = []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: "vga"}}}
	}
	return d, nil
}

func (c config) defineBoot(spec provider.InstanceSpec) *libvirtxml.DomainOS {
	boot := &libvirtxml.DomainOS{Type: &libvirtxml.DomainOSType{Arch: architecture, Machine: "q35", Type: "hvm"}}
	if spec.Kind == provider.InstanceUnikernel {
		boot.Kernel = c.instanceFile(spec.ID, kernelFile)
		boot.Cmdline = spec.CommandLine
		if spec.Initrd != nil {
			boot.Initrd = c.instanceFile(spec.ID, initrdFile)
		}
	}
	return boot
}

// defineCPU gives what the machine has; for emulation, all that QEMU can emulate: distributions need more than its
// default.
func defineCPU(domainType string) *libvirtxml.DomainCPU {
	if domainType == typeKVM {
		return &libvirtxml.DomainCPU{Mode: "host-model"}
	}
	return &libvirtxml.DomainCPU{Mode: "maximum"}
}

func (c config) defineDisks(spec provider.InstanceSpec) []libvirtxml.DomainDisk {
	var disks []libvirtxml.DomainDisk
	if spec.Kind == provider.InstanceVM {
		disks = append(disks, libvirtxml.DomainDisk{
			Device:       "disk",
			Driver:       &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "qcow2", Discard: "unmap"},
			Source:       diskFile(c.instanceFile(spec.ID, overlayFile)),
			BackingStore: c.defineBacking(spec.Image),
			Target:       &libvirtxml.DomainDiskTarget{Dev: "vda", Bus: "virtio"},
			Boot:         &libvirtxml.DomainDeviceBoot{Order: 1},
		})
	}
	if spec.CloudInit != nil {
		disks = append(disks, libvirtxml.DomainDisk{
			Device:   "disk",
			Driver:   &libvirtxml.DomainDiskDriver{Name: "qemu", Type: "raw"},
			Source:   diskFile(c.instanceFile(spec.ID, seedFile)),
			Target:   &libvirtxml.DomainDiskTarget{Dev: "vdb", Bus: "virtio"},
			ReadOnly: &libvirtxml.DomainDiskReadOnly{},
		})
	}
	return disks
}

// defineBacking names the cached image, so that libvirt looks into no disk to find what it stands on, and keeps it from
// giving the image to QEMU's user: many instances read it, none may write it.
func (c config) defineBacking(image provider.ImageRef) *libvirtxml.DomainDiskBackingStore {
	source := diskFile(filepath.Join(c.imagesDir(), image.SHA256))
	source.File.SecLabel = []libvirtxml.DomainDeviceSecLabel{{Model: "dac", Relabel: "no"}}
	return &libvirtxml.DomainDiskBackingStore{
		Format:       &libvirtxml.DomainDiskFormat{Type: string(image.Format)},
		Source:       source,
		BackingStore: &libvirtxml.DomainDiskBackingStore{}, // the end of the chain
	}
}

func diskFile(path string) *libvirtxml.DomainDiskSource {
	return &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: path}}
}

func (c config) defineInterfaces(nics []provider.NIC, around surroundings) []libvirtxml.DomainInterface {
	var interfaces []libvirtxml.DomainInterface
	for _, nic := range nics {
		bridge := c.Fabrics[nic.Fabric].Bridge
		i := libvirtxml.DomainInterface{
			MAC:    &libvirtxml.DomainInterfaceMAC{Address: nic.MAC},
			Source: &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: bridge}},
			VirtualPort: &libvirtxml.DomainInterfaceVirtualPort{Params: &libvirtxml.DomainInterfaceVirtualPortParams{
				OpenVSwitch: &libvirtxml.DomainInterfaceVirtualPortParamsOpenVSwitch{InterfaceID: nic.PortID},
			}},
			VLan:  &libvirtxml.DomainInterfaceVLan{Tags: []libvirtxml.DomainInterfaceVLanTag{{ID: uint(nic.SegmentID)}}},
			Model: &libvirtxml.DomainInterfaceModel{Type: "virtio"},
			ROM:   &libvirtxml.DomainROM{Enabled: "no"}, // nothing boots from the network
		}
		if nic.MTU > 0 {
			i.MTU = &libvirtxml.DomainInterfaceMTU{Size: uint(nic.MTU)}
		}
		if around.userspace[bridge] {
			// There nobody finishes the checksums and segments that a guest leaves to its network card.
			i.Driver = &libvirtxml.DomainInterfaceDriver{Host: &libvirtxml.DomainInterfaceDriverHost{
				CSum: "off", GSO: "off", TSO4: "off", TSO6: "off", ECN: "off", UFO: "off",
			}}
		}
		interfaces = append(interfaces, i)
	}
	return interfaces
}

// defineConsole gives the first serial port to whoever opens the console, and to a log.
func (c config) defineConsole(id string) libvirtxml.DomainSerial {
	first := uint(0)
	return libvirtxml.DomainSerial{
		Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
		Target: &libvirtxml.DomainSerialTarget{Port: &first},
		Log:    &libvirtxml.DomainChardevLog{File: c.instanceFile(id, consoleFile), Append: "on"},
	}
}

func (c config) instanceFile(id, name string) string { return filepath.Join(c.instanceDir(id), name) }
