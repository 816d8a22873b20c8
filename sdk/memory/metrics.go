// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"context"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// GetInstanceMetrics implements provider.Metrics. A pretended guest reads and writes a page each millisecond, and
// receives and sends as much on each port.
func (p instances) GetInstanceMetrics(ctx context.Context, id string) (provider.InstanceMetrics, error) {
	if err := p.b.begin(ctx, "GetInstanceMetrics", nil).at("", 0); err != nil {
		return provider.InstanceMetrics{}, err
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	i, err := p.b.data.running(id)
	if err != nil {
		return provider.InstanceMetrics{}, err
	}
	const page = 4 << 10
	ran := p.b.now().Sub(i.Since)
	pages := ran.Milliseconds()
	out := provider.InstanceMetrics{
		Since: i.Since, CPUTime: ran / time.Duration(i.Spec.VCPUs), MemoryBytes: i.Spec.MemoryBytes,
		Disks: []provider.DiskMetrics{{ReadBytes: pages * page, WrittenBytes: pages * page, Reads: pages, Writes: pages}},
	}
	for _, n := range i.Spec.NICs {
		out.NICs = append(out.NICs, provider.NICMetrics{
			PortID: n.PortID, ReceivedBytes: pages * page, SentBytes: pages * page, ReceivedPackets: pages, SentPackets: pages,
		})
	}
	return out, nil
}

// running finds an instance that runs.
func (d *data) running(id string) (instance, error) {
	i, ok := d.Instances[id]
	switch {
	case !ok:
		return i, missing(provider.KindInstance, id)
	case i.Power != provider.PowerRunning:
		return i, fault.New(fault.BadState, "instance %s is not running", id)
	}
	return i, nil
}
