// SPDX-License-Identifier: Apache-2.0

// Package hellocompute is a provider of instances as small as a correct one can be. Its backend is a directory: an
// instance is a greeting in a file, with a record beside it that says whose it is. docs/plugin-guide walks through it;
// take it as the beginning of your own, and put your backend where the files are.
package hellocompute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const schema = `{"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object", "additionalProperties": false, "required": ["directory"],
	"properties": {"directory": {"type": "string", "pattern": "^/", "description": "Where instances lie."}}}`

// The kinds of file, by their endings.
const records, greetings = ".json", ".txt"

// Provider keeps nothing in memory but where its backend is: whatever it is asked, it looks.
type Provider struct{ dir atomic.Value }

// A method with another signature would silently offer less.
var _ provider.Instances = (*Provider)(nil)

// New returns a provider, which has to be configured.
func New() *Provider { return &Provider{} }

// Describe implements provider.Provider.
func (p *Provider) Describe() provider.Description {
	return provider.Description{Name: "hello-compute", Version: "0.1.0", ConfigSchema: json.RawMessage(schema)}
}

// Configure implements provider.Provider. The SDK has held the settings against the schema already.
func (p *Provider) Configure(_ context.Context, raw json.RawMessage) error {
	var config struct{ Directory string }
	if err := json.Unmarshal(raw, &config); err != nil {
		return fault.Invalid("", "must be a JSON object: %v", err)
	}
	if err := os.MkdirAll(config.Directory, 0o700); err != nil {
		return fault.Invalid("/directory", "cannot be used: %v", err)
	}
	p.dir.Store(config.Directory)
	return nil
}

// Check implements provider.Provider.
func (p *Provider) Check(context.Context) error {
	_, err := os.ReadDir(p.path("", ""))
	return backend(err)
}

// ApplyInstance implements provider.Instances. The record is written before the greeting, so that a new process finds
// what this one left if it dies between the two.
func (p *Provider) ApplyInstance(ctx context.Context, spec provider.InstanceSpec, progress provider.Progress) (provider.Instance, error) {
	if spec.HostID != hostID() {
		return provider.Instance{}, fault.Invalid("/host_id", "there is no host %s", spec.HostID)
	}
	record, err := json.Marshal(spec)
	if err != nil {
		return provider.Instance{}, err
	}
	if err := write(p.path(spec.ID, records), record); err != nil {
		return provider.Instance{}, err
	}
	progress("writing the greeting", 50)
	if err := write(p.path(spec.ID, greetings), []byte(greeting(spec))); err != nil {
		return provider.Instance{}, err
	}
	return p.GetInstance(ctx, spec.ID)
}

func greeting(spec provider.InstanceSpec) string {
	return fmt.Sprintf("Hello from %s, which is %s.\n", spec.Name, spec.Power)
}

// GetInstance implements provider.Instances.
func (p *Provider) GetInstance(ctx context.Context, id string) (provider.Instance, error) {
	if err := p.Check(ctx); err != nil { // without a backend, nothing can be said to be missing
		return provider.Instance{}, err
	}
	record, err := os.ReadFile(p.path(id, records))
	if errors.Is(err, fs.ErrNotExist) {
		return provider.Instance{}, fault.New(fault.NoSuchObject, "there is no instance %s", id)
	}
	var spec provider.InstanceSpec
	if err := errors.Join(err, json.Unmarshal(record, &spec)); err != nil {
		return provider.Instance{}, backend(err)
	}
	o := provider.Observed{Tag: spec.Tag, Phase: provider.PhaseReady, BackendRef: id + greetings}
	if said, err := os.ReadFile(p.path(id, greetings)); err != nil || string(said) != greeting(spec) {
		o.Phase, o.Failure = provider.PhaseFailed, fault.New(fault.Interrupted, "the greeting was not written to the end")
	}
	return provider.Instance{Observed: o, Power: spec.Power, HostID: spec.HostID}, nil
}

// DeleteInstance implements provider.Instances. The record goes last: until then, the instance is listed.
func (p *Provider) DeleteInstance(ctx context.Context, id string, _ provider.Progress) error {
	if err := p.Check(ctx); err != nil {
		return err
	}
	for _, ending := range []string{greetings, records} {
		if err := os.Remove(p.path(id, ending)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return backend(err)
		}
	}
	return nil
}

// ListInstances implements provider.Instances.
func (p *Provider) ListInstances(ctx context.Context) (all []provider.Instance, err error) {
	entries, err := os.ReadDir(p.path("", ""))
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), records)
		if !ok {
			continue
		}
		switch i, err := p.GetInstance(ctx, id); {
		case err == nil:
			all = append(all, i)
		case fault.ReasonOf(err) != fault.NoSuchObject: // deleted meanwhile
			return nil, err
		}
	}
	return all, backend(err)
}

// ListHosts implements provider.Instances: the one machine is this one.
func (p *Provider) ListHosts(context.Context) ([]provider.Host, error) {
	capacity := map[string]int64{provider.UnitVCPUs: 8, provider.UnitMemoryBytes: 16 << 30, provider.UnitDiskBytes: 1 << 40}
	return []provider.Host{{ID: hostID(), Name: "hello", Architecture: "x86_64", Capacity: capacity}}, nil
}

// hostID is the machine's own, and stays (man machine-id).
func hostID() string {
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(id) > 1 {
		return strings.TrimSpace(string(id))
	}
	return "hello" // where a system has none
}

// path names a file. The SDK lets only UUIDs through as ids, so a name never leaves the directory.
func (p *Provider) path(name, ending string) string {
	dir, _ := p.dir.Load().(string)
	return filepath.Join(dir, name+ending)
}

// write replaces a file, whole or not at all.
func write(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return backend(err)
	}
	return backend(os.Rename(path+".new", path))
}

// backend makes a fault of what the file system says.
func backend(err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Code: fault.Unavailable, Reason: fault.BackendDown, Message: "the directory cannot be used", Err: err}
}
