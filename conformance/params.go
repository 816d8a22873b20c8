// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the schema
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Params says what the cases may ask of one provider. Its zero value suits a provider that pretends.
type Params struct {
	// Config is the provider's configuration.
	Config map[string]any `yaml:"config"`
	// Timeout of one object's work; 0 for one minute.
	Timeout time.Duration `yaml:"timeout"`
	// DeleteTimeout is Timeout for Delete, where that takes longer; 0 for the same.
	DeleteTimeout time.Duration `yaml:"delete_timeout"`
	// Heartbeat interval to ask for; 0 for 500 ms.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// Limits of the backend.
	Limits Limits `yaml:"limits"`
	// Hooks are commands that the suite runs.
	Hooks Hooks `yaml:"hooks"`

	Instance InstanceParams `yaml:"instance"`
	Volume   VolumeParams   `yaml:"volume"`
	Network  NetworkParams  `yaml:"network"`
	Exec     ExecParams     `yaml:"exec"`

	Dataplane DataplaneParams `yaml:"dataplane"`
}

// Limits say what a backend cannot do at once. A case that one of them cuts short is reported as limit, never as passed.
type Limits struct {
	Objects  int `yaml:"objects"`  // of one kind that exist at a time; 0 for no limit
	Parallel int `yaml:"parallel"` // calls that work at a time; 0 for no limit
}

// InstanceParams says what instances to make.
type InstanceParams struct {
	Host        string                `yaml:"host"`   // "" for the first that is listed
	Kind        provider.InstanceKind `yaml:"kind"`   // "" for vm
	Image       string                `yaml:"image"`  // a file; "" for a few bytes that boot nothing
	Format      provider.ImageFormat  `yaml:"format"` // "" for raw
	CommandLine string                `yaml:"command_line"`
	VCPUs       int                   `yaml:"vcpus"`        // 0 for 1
	MemoryBytes int64                 `yaml:"memory_bytes"` // 0 for 64 MiB
	DiskBytes   int64                 `yaml:"disk_bytes"`   // of those whose disk is resized; 0 for 1 GiB
}

// VolumeParams says what volumes to make.
type VolumeParams struct {
	Pool      string `yaml:"pool"`       // "" for the first that the host reaches
	SizeBytes int64  `yaml:"size_bytes"` // the smallest; 0 for 64 MiB
}

// ExecParams names programs of the guest, where the provider runs any.
type ExecParams struct {
	Cat   []string `yaml:"cat"`   // copies its input to its output, or files that it is given; nil for cat
	Sleep []string `yaml:"sleep"` // runs for minutes; nil for sleep 3600
}

// NetworkParams says what networks to make.
type NetworkParams struct {
	Router         string       `yaml:"router"`           // "" for the first that is listed
	Fabric         string       `yaml:"fabric"`           // "" for the router's first
	SegmentMin     int          `yaml:"segment_min"`      // of a range that nobody uses; 0 for 3000
	ForwardPortMin int          `yaml:"forward_port_min"` // of a thousand outside ports that nobody uses; 0 for 20000
	SegmentMax     int          `yaml:"segment_max"`      // 0 for 999 more
	IPv4           netip.Prefix `yaml:"ipv4"`             // that nobody uses, to take /24s from; none for 10.213.0.0/16
	IPv6           netip.Prefix `yaml:"ipv6"`             // likewise /64s; none for fd72:687a:f0::/48
}

// segment is the n-th segment id; after the last comes the first again.
func (p NetworkParams) segment(n int) int { return p.SegmentMin + n%(p.SegmentMax-p.SegmentMin+1) }

// subnet4 is the n-th /24; the router has its first address.
func (p NetworkParams) subnet4(n int) provider.Subnet { return carve(p.IPv4, 24, n) }

// subnet6 is the n-th /64.
func (p NetworkParams) subnet6(n int) provider.Subnet { return carve(p.IPv6, 64, n) }

// carve takes the n-th prefix of a length out of a longer range; after the last comes the first again.
func carve(from netip.Prefix, bits, n int) provider.Subnet {
	n %= 1 << min(bits-from.Bits(), 16)
	raw := from.Masked().Addr().AsSlice()
	for i := bits/8 - 1; n > 0; i-- {
		raw[i] += byte(n)
		n >>= 8
	}
	first, _ := netip.AddrFromSlice(raw)
	return provider.Subnet{CIDR: netip.PrefixFrom(first, bits), Gateway: first.Next()}
}

// Scratch is what parameters write for a directory that lives as long as the run.
const Scratch = "${SCRATCH}"

// ParamsSchema is the JSON Schema of the file that LoadParams reads.
//
//go:embed params.schema.json
var ParamsSchema []byte

// LoadParams reads parameters in YAML, and puts scratch where it says ${SCRATCH}. What is unknown or has a value that
// cannot be used is an error that names its place.
func LoadParams(path, scratch string) (Params, error) {
	var p Params
	text, err := readYAML(path, scratch)
	if err != nil {
		return p, err
	}
	if err := checkParams(text); err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	dec := yaml.NewDecoder(strings.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	if err := p.Network.check(); err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// check refuses ranges that are too small for a network beside another.
func (p NetworkParams) check() error {
	var wrong []error
	if p.SegmentMax != 0 && p.SegmentMax < p.SegmentMin+3 {
		wrong = append(wrong, errors.New("network.segment_max: the range must hold four segments"))
	}
	if p.IPv4.IsValid() && (!p.IPv4.Addr().Is4() || p.IPv4.Bits() > 21) {
		wrong = append(wrong, errors.New("network.ipv4: must be a v4 prefix of at most 21 bits, to hold eight /24"))
	}
	if p.IPv6.IsValid() && (p.IPv6.Addr().Is4() || p.IPv6.Bits() > 61) {
		wrong = append(wrong, errors.New("network.ipv6: must be a v6 prefix of at most 61 bits, to hold eight /64"))
	}
	return errors.Join(wrong...)
}

// LoadConfig reads a provider's configuration in YAML, for Params.Config.
func LoadConfig(path, scratch string) (map[string]any, error) {
	text, err := readYAML(path, scratch)
	if err != nil {
		return nil, err
	}
	var config map[string]any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

// readYAML reads a file of one document.
func readYAML(path, scratch string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := strings.ReplaceAll(string(content), Scratch, scratch)
	documents := yaml.NewDecoder(strings.NewReader(text))
	if err := documents.Decode(new(any)); err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if err := documents.Decode(new(any)); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%s: there is more than one YAML document", path)
	}
	return text, nil
}

func checkParams(text string) error {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil || value == nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(ParamsSchema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rhyzome:params", document); err != nil {
		return err
	}
	schema, err := c.Compile("rhyzome:params")
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func (p Params) withDefaults() Params {
	p.Timeout = either(p.Timeout, time.Minute)
	p.Heartbeat = either(p.Heartbeat, 500*time.Millisecond)
	p.DeleteTimeout = either(p.DeleteTimeout, p.Timeout)
	p.Instance.Kind = either(p.Instance.Kind, provider.InstanceVM)
	p.Instance.Format = either(p.Instance.Format, provider.ImageRaw)
	p.Instance.VCPUs = either(p.Instance.VCPUs, 1)
	p.Instance.MemoryBytes = either(p.Instance.MemoryBytes, 64<<20)
	p.Instance.DiskBytes = either(p.Instance.DiskBytes, 1<<30)
	p.Volume.SizeBytes = either(p.Volume.SizeBytes, 64<<20)
	if p.Exec.Cat == nil {
		p.Exec.Cat = []string{"cat"}
	}
	if p.Exec.Sleep == nil {
		p.Exec.Sleep = []string{"sleep", "3600"}
	}
	p.Network.SegmentMin = either(p.Network.SegmentMin, 3000)
	p.Network.SegmentMax = either(p.Network.SegmentMax, p.Network.SegmentMin+999)
	p.Network.IPv4 = either(p.Network.IPv4, netip.MustParsePrefix("10.213.0.0/16"))
	p.Network.IPv6 = either(p.Network.IPv6, netip.MustParsePrefix("fd72:687a:f0::/48"))
	p.Network.ForwardPortMin = either(p.Network.ForwardPortMin, 20000)
	p.Dataplane.Patience = either(p.Dataplane.Patience, 15*time.Second)
	p.Dataplane.Pause = either(p.Dataplane.Pause, 10*time.Second)
	return p
}

func either[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// config returns the configuration with more keys in it.
func (p Params) config(more ...string) (json.RawMessage, error) {
	all := map[string]any{}
	for k, v := range p.Config {
		all[k] = v
	}
	for _, k := range more {
		all[k] = true
	}
	return json.Marshal(all)
}

// image returns the content that instances stand on.
func (p Params) image() (provider.ImageRef, []byte, error) {
	content := bytes.Repeat([]byte("rhyzome conformance\n"), 3277)
	if p.Instance.Image != "" {
		var err error
		if content, err = os.ReadFile(p.Instance.Image); err != nil {
			return provider.ImageRef{}, nil, err
		}
	}
	return refOf(content, p.Instance.Format), content, nil
}

func refOf(content []byte, format provider.ImageFormat) provider.ImageRef {
	sum := sha256.Sum256(content)
	return provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: format, SizeBytes: int64(len(content))}
}
