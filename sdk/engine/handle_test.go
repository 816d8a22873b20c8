// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// noting keeps the handle that came with the last call of each verb.
type noting struct {
	*memory.Provider
	mu   sync.Mutex
	seen map[string]string
}

func (p *noting) note(ctx context.Context, verb string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[verb] = string(provider.HandleFrom(ctx))
}

func (p *noting) saw(verb string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[verb]
}

func (p *noting) ApplyInstance(ctx context.Context, spec provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	p.note(ctx, "apply")
	return p.Provider.ApplyInstance(ctx, spec, progress)
}

func (p *noting) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	p.note(ctx, "get")
	return p.Provider.GetInstance(ctx, id)
}

func (p *noting) DeleteInstance(ctx context.Context, id string, progress provider.Progress) error {
	p.note(ctx, "delete")
	return p.Provider.DeleteInstance(ctx, id, progress)
}

func (p *noting) RebootInstance(ctx context.Context, id, operation string, hard bool) (provider.Instance, error) {
	p.note(ctx, "reboot")
	return p.Provider.RebootInstance(ctx, id, operation, hard)
}

func (p *noting) GetInstanceMetrics(ctx context.Context, id string) (provider.InstanceMetrics, error) {
	p.note(ctx, "metrics")
	return p.Provider.GetInstanceMetrics(ctx, id)
}

func TestTheAuthorSeesHandles(t *testing.T) {
	p := &noting{Provider: memory.New(memory.NewBackend()), seen: map[string]string{}}
	_, client, _ := serve(t, p, patient)
	configure(t, client)
	putImage(t, client)
	spec := instanceSpec()
	spec.BackendHandle = []byte("apply")
	if _, err := client.ApplyInstance(t.Context(), fence(), spec); err != nil {
		t.Fatal(err)
	}
	with := func(handle string) context.Context { return provider.WithHandle(t.Context(), []byte(handle)) }
	_, get := client.GetInstance(with("get"), spec.ID)
	_, reboot := client.RebootInstance(with("reboot"), fence(), spec.ID, "one", true)
	_, metrics := client.GetInstanceMetrics(with("metrics"), spec.ID)
	if err := errors.Join(get, reboot, metrics); err != nil {
		t.Fatal(err)
	}
	if saw := p.saw("get"); saw != "get" {
		t.Errorf("get came with %q", saw)
	}
	large := spec.Tag
	large.BackendHandle = make([]byte, 4097)
	_, _, err := client.DeleteInstance(t.Context(), fence(), large)
	wants(t, "a large handle", err, fault.InvalidField)
	_, err = client.GetInstance(provider.WithHandle(t.Context(), large.BackendHandle), spec.ID)
	wants(t, "a large handle", err, fault.InvalidField)
	spec.BackendHandle = []byte("delete")
	if _, _, err := client.DeleteInstance(t.Context(), fence(), spec.Tag); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"apply", "reboot", "metrics", "delete"} {
		if saw := p.saw(verb); saw != verb {
			t.Errorf("%s came with %q", verb, saw)
		}
	}
	if _, err := client.GetInstance(t.Context(), spec.ID); fault.ReasonOf(err) != fault.NoSuchObject || p.saw("get") != "" {
		t.Errorf("without a handle: %q, %v", p.saw("get"), err)
	}
}
