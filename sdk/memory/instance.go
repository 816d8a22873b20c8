// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"slices"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// The steps of the work, where faults can be injected. All deletions have StepRemove.
const (
	StepDisk   = "making the disk"
	StepDefine = "defining the instance"
	StepPower  = "setting the power"
	StepMove   = "moving to the host"
	StepAttach = "attaching"
	StepRoute  = "writing the configuration" // of networks, ports, peers and forwards
	StepRemove = "removing"
)

// instance is a pretended domain.
type instance struct {
	Name       string // that somebody gave it; "" for ours
	Spec       provider.InstanceSpec
	Host       string // that has it, once it was made
	Made       bool   // all steps were done
	Power      provider.PowerState
	Since      time.Time // when the guest started
	LastReboot string
	Reboots    int
	LastExec   string
	Execs      int
	Size       provider.InstanceSize // what the guest has
}

func (i instance) observe() provider.Instance {
	return provider.Instance{
		Observed: named(observe(i.Spec.Tag, i.Made), i.Name), Power: i.Power, HostID: i.host(), LastRebootOperationID: i.LastReboot,
		LastExecOperationID: i.LastExec,
	}
}

var instanceShelf = shelf[instance, provider.Instance]{
	kind:    provider.KindInstance,
	records: func(d *data) map[string]instance { return d.Instances },
	observe: instance.observe,
	unmake:  func(i instance) instance { i.Made = false; return i },
}

// instances implements provider.Instances, and what of compute is optional.
type instances struct{ b *Backend }

// ApplyInstance implements provider.Instances. The record, which holds the tag, is written before anything else.
func (p instances) ApplyInstance(ctx context.Context, spec provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	begin := func(d *data, i instance) (instance, error) {
		if err := i.grows(spec); err != nil {
			return i, err
		}
		if err := d.fits(spec); err != nil {
			return i, err
		}
		if err := d.moves(i, spec); err != nil {
			return i, err
		}
		if i.Made {
			i.Host = i.host()
		}
		i.Spec, i.Made = spec, false
		if i.Power == "" {
			i.Power = provider.PowerStopped
		}
		return i, nil
	}
	finish := func(i instance) instance {
		i.Made, i.Host = true, spec.HostID
		runsOn := i.Power == provider.PowerRunning && spec.Power == provider.PowerRunning
		return i.resized(runsOn).switched(spec.Power, p.b.now())
	}
	work := p.b.begin(ctx, "ApplyInstance", progress)
	return instanceShelf.apply(work, spec.ID, p.b.stepsTo(spec), begin, finish)
}

// switched sets the power, and when the guest started.
func (i instance) switched(power provider.PowerState, now time.Time) instance {
	if power == provider.PowerRunning && i.Power != power {
		i.Since = now.UTC()
	}
	i.Power = power
	return i
}

// fits checks what only the backend knows: the host, its fabrics and room, the image's content.
func (d *data) fits(spec provider.InstanceSpec) error {
	host, ok := d.host(spec.HostID)
	if !ok {
		return fault.Invalid("/host_id", "there is no host %s", spec.HostID)
	}
	for _, n := range spec.NICs {
		if !slices.Contains(host.Fabrics, n.Fabric) {
			return fault.Invalid("/nics", "host %s does not reach fabric %s", host.ID, n.Fabric)
		}
	}
	if !d.Images[spec.Image.SHA256].Ready {
		return fault.New(fault.ImageMissing, "the content of image %s is not here", spec.Image.SHA256)
	}
	if spec.Initrd != nil && !d.Images[spec.Initrd.SHA256].Ready {
		return fault.New(fault.ImageMissing, "the content of image %s is not here", spec.Initrd.SHA256)
	}
	vcpus, memory := int64(spec.VCPUs), spec.MemoryBytes
	for id, i := range d.Instances {
		if id != spec.ID && (i.host() == host.ID || i.Spec.HostID == host.ID) {
			vcpus += int64(i.Spec.VCPUs)
			memory += i.Spec.MemoryBytes
		}
	}
	if vcpus > host.Capacity[provider.UnitVCPUs] || memory > host.Capacity[provider.UnitMemoryBytes] {
		return fault.New(fault.NoCapacity, "host %s has no room", host.ID)
	}
	return nil
}

// GetInstance implements provider.Instances.
func (p instances) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	return instanceShelf.get(p.b.begin(ctx, "GetInstance", nil), id)
}

// DeleteInstance implements provider.Instances.
func (p instances) DeleteInstance(ctx context.Context, id string, progress provider.Progress) error {
	free := func(d *data) error {
		if err := d.free(provider.KindInstance, id); err != nil {
			return err
		}
		d.detach(id)
		return nil
	}
	err := instanceShelf.remove(p.b.begin(ctx, "DeleteInstance", progress), id, free)
	p.b.tell(provider.KindVolume, "")
	return err
}

// ListInstances implements provider.Instances.
func (p instances) ListInstances(ctx context.Context) ([]provider.Instance, error) {
	return instanceShelf.list(p.b.begin(ctx, "ListInstances", nil))
}

// ListHosts implements provider.Instances.
func (p instances) ListHosts(ctx context.Context) ([]provider.Host, error) {
	if err := p.b.begin(ctx, "ListHosts", nil).at("", 0); err != nil {
		return nil, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return slices.Clone(p.b.data.Hosts), nil
}

// RebootInstance implements provider.Power.
func (p instances) RebootInstance(ctx context.Context, id, operationID string, _ bool) (provider.Instance, error) {
	if err := p.b.begin(ctx, "RebootInstance", nil).at("", 0); err != nil {
		return provider.Instance{}, err
	}
	var i instance
	err := p.b.change(provider.KindInstance, id, func(d *data) error {
		var ok bool
		if i, ok = d.Instances[id]; !ok {
			return missing(provider.KindInstance, id)
		}
		if i.LastReboot == operationID {
			return nil
		}
		if _, err := d.running(id); err != nil {
			return err
		}
		i.LastReboot, i.Since = operationID, p.b.now().UTC()
		i.Reboots++
		d.Instances[id] = i
		return nil
	})
	return i.observe(), err
}

// Reboots tells how often an instance was rebooted.
func (b *Backend) Reboots(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Instances[id].Reboots
}

// ShutDown stops an instance from inside, as its guest may.
func (b *Backend) ShutDown(id string) error {
	return b.change(provider.KindInstance, id, func(d *data) error {
		i, ok := d.Instances[id]
		if !ok {
			return missing(provider.KindInstance, id)
		}
		i.Power = provider.PowerStopped
		d.Instances[id] = i
		return nil
	})
}
