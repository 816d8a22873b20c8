// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/rhyzome/rhyzome/sdk/handshake"
)

const defaultConfigFile = "/etc/rhyzome/provider.yaml"

// defaultStateDir is where the identity lies, which must outlive a restart of the machine: on OpenWrt /var is /tmp, in
// memory. root is in front of all paths; empty but in tests.
func defaultStateDir(root, plugin string) string {
	if target, err := os.Readlink(root + "/var"); err == nil && filepath.Base(target) == "tmp" {
		return filepath.Join("/etc/rhyzome", plugin)
	}
	return filepath.Join("/var/lib/rhyzome", plugin)
}

// settings are of this process: flags over RHYZOME_* over the file over what is built in.
type settings struct {
	Core      []string       `yaml:"core"` // over the addresses of the identity; one for each core
	StateDir  string         `yaml:"state_dir"`
	MachineID string         `yaml:"machine_id"`
	LogLevel  string         `yaml:"log_level"`
	Config    map[string]any `yaml:"config"` // the provider's own, given to Configure
	Debug     bool           `yaml:"-"`      // asks the core to suspend deadlines
}

// settings reads them from everywhere.
func (g *program) settings() (settings, error) {
	file, err := readFile(g.namedConfig())
	if err != nil {
		return settings{}, err
	}
	s := settings{
		Core:      file.Core,
		StateDir:  cmp.Or(g.flags.StateDir, os.Getenv("RHYZOME_STATE_DIR"), file.StateDir, defaultStateDir("", g.description.Name)),
		MachineID: cmp.Or(g.flags.MachineID, os.Getenv("RHYZOME_MACHINE_ID"), file.MachineID),
		LogLevel:  cmp.Or(g.flags.LogLevel, os.Getenv("RHYZOME_LOG_LEVEL"), file.LogLevel, "info"),
		Config:    file.Config,
	}
	if s.Debug, err = g.debug(); err != nil {
		return settings{}, err
	}
	if env := os.Getenv("RHYZOME_CORE"); env != "" {
		s.Core = strings.Split(env, ",")
	}
	if len(g.flags.Core) > 0 {
		s.Core = g.flags.Core
	}
	return s, nil
}

// debug reports whether deadlines are to be suspended. A child has no flags, and no file may say so.
func (g *program) debug() (bool, error) {
	env := os.Getenv(handshake.DebugVariable)
	if g.flags.Debug || env == "" {
		return g.flags.Debug, nil
	}
	debug, err := strconv.ParseBool(env)
	if err != nil {
		return false, fmt.Errorf("%s must be true or false, not %q", handshake.DebugVariable, env)
	}
	return debug, nil
}

// namedConfig is the configuration file that was named; empty if none was.
func (g *program) namedConfig() string { return cmp.Or(g.configFile, os.Getenv("RHYZOME_CONFIG")) }

// configPath is where the configuration is read from.
func (g *program) configPath() string { return cmp.Or(g.namedConfig(), defaultConfigFile) }

// readFile reads a file strictly. Only the default one may be missing.
func readFile(path string) (settings, error) {
	var s settings
	f, err := os.Open(cmp.Or(path, defaultConfigFile))
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer f.Close()
	dec := yaml.NewDecoder(f)
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("%s: %w", f.Name(), err)
	}
	if err := dec.Decode(&settings{}); !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("%s: there is more than one YAML document", f.Name())
	}
	return s, nil
}

// base returns the provider's own configuration as JSON.
func (s settings) base() (json.RawMessage, error) {
	if s.Config == nil {
		return json.RawMessage("{}"), nil
	}
	base, err := json.Marshal(s.Config)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return base, nil
}

func (s settings) level() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return level, fmt.Errorf("log level %q: use debug, info, warn or error", s.LogLevel)
	}
	return level, nil
}
