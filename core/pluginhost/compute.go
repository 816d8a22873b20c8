// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// compute implements core.ComputeProvider; image.go holds the rest of it.
type compute struct{ *Session }

func (c compute) instances() verbs[provider.InstanceSpec, provider.Instance] {
	return verbs[provider.InstanceSpec, provider.Instance]{
		kind:     provider.KindInstance,
		tag:      func(s provider.InstanceSpec) provider.Tag { return s.Tag },
		echo:     func(s provider.InstanceSpec, handle []byte) provider.InstanceSpec { s.BackendHandle = handle; return s },
		observed: func(i *provider.Instance) *provider.Observed { return &i.Observed },
		reported: func(c core.Change) *provider.Instance { return c.Instance },
		clean:    cleanInstance,
		apply:    c.link.client.ApplyInstance,
		get:      c.link.client.GetInstance,
		delete:   c.link.client.DeleteInstance,
	}
}

// ApplyInstance implements core.ComputeProvider.
func (c compute) ApplyInstance(ctx context.Context, fence uint64, spec provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	return applied(ctx, c.Session, c.instances(), fence, spec, progress)
}

// DeleteInstance implements core.ComputeProvider.
func (c compute) DeleteInstance(ctx context.Context, fence uint64, tag provider.Tag, progress provider.Progress) error {
	return deleted(ctx, c.Session, c.instances(), fence, tag, progress)
}

// GetInstance implements core.ComputeProvider.
func (c compute) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	ctx, _, err := c.withHandle(ctx, id)
	if err != nil {
		return provider.Instance{}, err
	}
	i, err := c.link.client.GetInstance(ctx, id)
	return cleanInstance(i), c.fault(err)
}

// RebootInstance implements core.ComputeProvider.
func (c compute) RebootInstance(ctx context.Context, fence uint64, id, operationID string, hard bool) error {
	if err := c.offers(wire.CapabilityPower); err != nil {
		return err
	}
	ctx, _, err := c.withHandle(ctx, id)
	if err != nil {
		return err
	}
	_, err = c.link.client.RebootInstance(ctx, fence, id, operationID, hard)
	return c.fault(err)
}
