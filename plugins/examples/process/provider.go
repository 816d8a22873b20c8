// SPDX-License-Identifier: Apache-2.0

//go:build linux

package process

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

const schema = `{"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object", "additionalProperties": false, "required": ["directory"],
	"properties": {
		"directory": {"type": "string", "pattern": "^/", "description": "Where images and instances lie."},
		"user": {"type": "string", "minLength": 1, "description": "Who runs the programs, if the provider is root; by default, the provider's own user. The directory must be reachable for it."},
		"restart": {"enum": ["never", "on_failure", "always"], "default": "never", "description": "What to do when a program ends by itself."},
		"grace_seconds": {"type": "integer", "minimum": 0, "maximum": 20, "default": 10, "description": "How long a program may take to stop."}}}`

// defaultGrace is enough for most programs, and a reboot is answered in time.
const defaultGrace = 10

// What to do when a program ends by itself.
const (
	restartNever     = "never"
	restartOnFailure = "on_failure"
	restartAlways    = "always"
)

// settings are the operator's.
type settings struct {
	Directory    string
	User         string
	Restart      string
	GraceSeconds *int `json:"grace_seconds"`
}

// Provider keeps nothing in memory but where its backend is: whatever it is asked, it looks.
type Provider struct {
	settings atomic.Pointer[settings]

	// using is held for reading by who makes an instance stand on an image, and for writing by who removes one.
	using sync.RWMutex
}

// Methods with other signatures would silently offer less.
var (
	_ provider.Instances = (*Provider)(nil)
	_ provider.Power     = (*Provider)(nil)
	_ provider.Images    = (*Provider)(nil)
	_ provider.Console   = (*Provider)(nil)
	_ provider.Metrics   = (*Provider)(nil)
)

// New returns a provider, which has to be configured. Its program must call Supervise first.
func New() *Provider { return &Provider{} }

// Describe implements provider.Provider.
func (p *Provider) Describe() provider.Description {
	return provider.Description{Name: "process", Version: "0.1.0", ConfigSchema: json.RawMessage(schema)}
}

// Configure implements provider.Provider. The first time after a boot of the machine it starts what ran before.
func (p *Provider) Configure(ctx context.Context, raw json.RawMessage) error {
	var s settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return fault.Invalid("", "must be a JSON object: %v", err)
	}
	s.Restart = cmp.Or(s.Restart, restartNever)
	if s.GraceSeconds == nil {
		s.GraceSeconds = new(int)
		*s.GraceSeconds = defaultGrace
	}
	var faults []*fault.Error
	if s.User != "" {
		if _, err := credential(s.User); err != nil {
			faults = append(faults, fault.Invalid("/user", "cannot run programs: %v", err))
		}
	}
	for _, dir := range []string{imagesDir, instancesDir} {
		if err := os.MkdirAll(filepath.Join(s.Directory, dir), 0o711); err != nil {
			faults = append(faults, fault.Invalid("/directory", "cannot be used: %v", err))
			break
		}
	}
	if err := fault.Join(faults...); err != nil {
		return err
	}
	if p.settings.Swap(&s) == nil {
		return p.resume(ctx)
	}
	return nil
}

// Check implements provider.Provider.
func (p *Provider) Check(context.Context) error {
	_, err := os.Stat(p.path(instancesDir))
	return backend(err)
}

// ListHosts implements provider.Instances: the one machine is this one.
func (p *Provider) ListHosts(ctx context.Context) ([]provider.Host, error) {
	if err := p.Check(ctx); err != nil {
		return nil, err
	}
	var memory syscall.Sysinfo_t
	var disk syscall.Statfs_t
	name, err := os.Hostname()
	if err := errors.Join(err, syscall.Sysinfo(&memory), syscall.Statfs(p.path(""), &disk)); err != nil {
		return nil, backend(err)
	}
	return []provider.Host{{
		ID: machineID(name), Name: name, Architecture: architecture(),
		Capacity: map[string]int64{
			provider.UnitVCPUs:       int64(runtime.NumCPU()),
			provider.UnitMemoryBytes: int64(memory.Totalram) * int64(memory.Unit),
			provider.UnitDiskBytes:   int64(disk.Blocks) * int64(disk.Bsize), //nolint:unconvert // 32 bits elsewhere
		},
	}}, nil
}

// machineID is the machine's own, and stays (man machine-id).
func machineID(otherwise string) string {
	if id, err := os.ReadFile("/etc/machine-id"); err == nil && len(id) > 1 {
		return strings.TrimSpace(string(id))
	}
	return otherwise // where a system has none
}

// architecture is the kernel's word for it.
func architecture() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

// path names a file of the backend. The SDK lets only UUIDs and digests through, so a name never leaves the directory.
func (p *Provider) path(names ...string) string {
	directory := ""
	if s := p.settings.Load(); s != nil {
		directory = s.Directory
	}
	return filepath.Join(append([]string{directory}, names...)...)
}

// credential of a user, for its programs. Only root may have another than its own.
func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err, gidErr); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 && os.Geteuid() != int(uid) {
		return nil, errors.New("the provider does not run as root")
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: os.Geteuid() != 0}, nil
}

// grace is how long a program may take to stop.
func (s *settings) grace() time.Duration { return time.Duration(*s.GraceSeconds) * time.Second }

// backend makes a fault of what the system says.
func backend(err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Code: fault.Unavailable, Reason: fault.BackendDown, Message: "the directory of the instances cannot be used", Err: err}
}
