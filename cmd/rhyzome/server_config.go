// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

// serverConfig is what /etc/rhyzome/server.yaml may say. Flags count over RHYZOME_* over the file.
type serverConfig struct {
	StateDir     string   `yaml:"state_dir"`     // database, pki, images; made with mode 0700
	RESTListen   string   `yaml:"rest_listen"`   // HTTPS for people and programs
	AttachListen string   `yaml:"attach_listen"` // mTLS for providers
	Advertise    string   `yaml:"advertise"`     // HOST:PORT of the attach port as providers reach it
	Names        []string `yaml:"names"`         // further DNS names and addresses of the REST certificate
	PluginKeys   string   `yaml:"plugin_keys"`   // PEM file: the Ed25519 keys of which one must sign what the core is to run
	LogLevel     string   `yaml:"log_level"`
}

const serverConfigFile = "/etc/rhyzome/server.yaml"

// setting is one field of the configuration with its flag and its environment variable.
type setting struct {
	flag, usage string
	value       func(*serverConfig) *string
}

var serverSettings = []setting{
	{"state-dir", "where the database, the CA and the images lie", func(c *serverConfig) *string { return &c.StateDir }},
	{"rest-listen", "address of the REST API (HTTPS)", func(c *serverConfig) *string { return &c.RESTListen }},
	{"attach-listen", "address that providers attach to (mutual TLS)", func(c *serverConfig) *string { return &c.AttachListen }},
	{"advertise", "HOST:PORT of the attach port as providers reach it (default: this machine's name)", func(c *serverConfig) *string { return &c.Advertise }},
	{"plugin-keys", "PEM file of Ed25519 public keys: the core runs only plugins that one of them signed", func(c *serverConfig) *string { return &c.PluginKeys }},
	{"log-level", "debug, info, warn or error", func(c *serverConfig) *string { return &c.LogLevel }},
}

func defaultServerConfig() serverConfig {
	return serverConfig{
		StateDir:     "/var/lib/rhyzome",
		RESTListen:   "127.0.0.1:8443",
		AttachListen: ":7443",
		LogLevel:     "info",
	}
}

// addServerFlags declares the flags. Their defaults stand in the usage only: an absent flag changes nothing.
func addServerFlags(cmd *cobra.Command) {
	def := defaultServerConfig()
	cmd.Flags().String("config", "", "configuration file (default "+serverConfigFile+" if it exists)")
	for _, s := range serverSettings {
		usage := s.usage
		if v := *s.value(&def); v != "" {
			usage += " (default " + v + ")"
		}
		cmd.Flags().String(s.flag, "", usage)
	}
	cmd.Flags().StringSlice("name", nil, "further DNS name or address of the REST certificate; may be repeated (RHYZOME_NAMES, by commas)")
}

// loadServerConfig reads file, environment and flags.
func loadServerConfig(cmd *cobra.Command) (serverConfig, error) {
	c := defaultServerConfig()
	path, _ := cmd.Flags().GetString("config")
	if err := c.readFile(path); err != nil {
		return c, err
	}
	for _, s := range serverSettings {
		if v, ok := os.LookupEnv("RHYZOME_" + strings.ToUpper(strings.ReplaceAll(s.flag, "-", "_"))); ok {
			*s.value(&c) = v
		}
		if cmd.Flags().Changed(s.flag) {
			*s.value(&c), _ = cmd.Flags().GetString(s.flag)
		}
	}
	if v := os.Getenv("RHYZOME_NAMES"); v != "" {
		c.Names = strings.Split(v, ",")
	}
	if names, _ := cmd.Flags().GetStringSlice("name"); len(names) > 0 {
		c.Names = names
	}
	return c, c.complete()
}

// readFile reads the file that was named, or the default one if it exists. Unknown keys are refused.
func (c *serverConfig) readFile(path string) error {
	named := path != ""
	if !named {
		path = serverConfigFile
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("configuration: %s: %w", path, err)
	}
	if err := d.Decode(&serverConfig{}); !errors.Is(err, io.EOF) {
		return fmt.Errorf("configuration: %s: there is more than one YAML document", path)
	}
	return nil
}

// claimStateDir makes the state directory. One that others may look into is refused: it will hold the CA's key.
func claimStateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("state_dir: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("state_dir: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("state_dir: %s may be read by others (%v): chmod 700 it, or name a directory of its own", dir, info.Mode().Perm())
	}
	return nil
}

// complete fills what depends on the rest, and refuses what cannot be meant.
func (c *serverConfig) complete() error {
	if !filepath.IsAbs(c.StateDir) {
		return fmt.Errorf("state_dir: %q is not an absolute path", c.StateDir)
	}
	for name, address := range map[string]string{"rest_listen": c.RESTListen, "attach_listen": c.AttachListen} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("%s: %w; write HOST:PORT, or :PORT for every address", name, err)
		}
	}
	if c.Advertise == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("advertise: %w; set it", err)
		}
		_, port, _ := net.SplitHostPort(c.AttachListen)
		c.Advertise = net.JoinHostPort(host, port)
	}
	if _, _, err := net.SplitHostPort(c.Advertise); err != nil {
		return fmt.Errorf("advertise: %w; write HOST:PORT as providers reach it", err)
	}
	return nil
}

// pluginKeys reads the keys of those who may sign plugins; none if no file is named.
func (c serverConfig) pluginKeys() (keys []ed25519.PublicKey, err error) {
	if c.PluginKeys == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.PluginKeys)
	if err != nil {
		return nil, fmt.Errorf("plugin_keys: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		key, ok := public.(ed25519.PublicKey)
		if err != nil || !ok {
			return nil, fmt.Errorf("plugin_keys: %s holds something else than Ed25519 public keys in PEM", c.PluginKeys)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("plugin_keys: %s holds no key; openssl pkey -pubout writes one", c.PluginKeys)
	}
	return keys, nil
}

// restNames are the names of the REST certificate: this machine's usual ones, and those that were configured.
func (c serverConfig) restNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	for _, address := range []string{c.RESTListen, c.Advertise} {
		if host, _, _ := net.SplitHostPort(address); host != "" && !net.ParseIP(host).IsUnspecified() {
			names = append(names, host)
		}
	}
	return append(names, c.Names...)
}
