// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// load loads a configuration from a file and flags.
func load(t *testing.T, file string, args ...string) (serverConfig, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := newServerCommand()
	if err := cmd.ParseFlags(append([]string{"--config", path}, args...)); err != nil {
		t.Fatal(err)
	}
	return loadServerConfig(cmd)
}

func TestServerConfig(t *testing.T) {
	c, err := load(t, "names: [a.example]\nlog_level: warn\nadvertise: core.example:7443\n", "--log-level", "debug")
	if err != nil || c.LogLevel != "debug" || !reflect.DeepEqual(c.Names, []string{"a.example"}) || c.Advertise != "core.example:7443" {
		t.Errorf("%+v, %v", c, err)
	}
	t.Setenv("RHYZOME_NAMES", "b.example,c.example")
	if c, err = load(t, "names: [a.example]\n"); err != nil || !reflect.DeepEqual(c.Names, []string{"b.example", "c.example"}) {
		t.Errorf("RHYZOME_NAMES: %+v, %v", c.Names, err)
	}
	if c, err = load(t, "", "--name", "d.example"); err != nil || !reflect.DeepEqual(c.Names, []string{"d.example"}) {
		t.Errorf("--name: %+v, %v", c.Names, err)
	}
	for file, want := range map[string]string{
		"colour: green\n":                          "colour",
		"log_level: warn\n---\nlog_level: error\n": "more than one",
		"state_dir: var\n":                         "state_dir",
		"rest_listen: everywhere\n":                "rest_listen",
	} {
		if _, err := load(t, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestClaimStateDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	for range 2 {
		if err := claimStateDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := claimStateDir(dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a directory that others may read: %v", err)
	}
}

func TestPluginKeys(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for name, c := range map[string]struct {
		text  string
		keys  int
		wrong string
	}{
		"two":       {key + key, 2, ""},
		"nothing":   {"", 0, "holds no key"},
		"no key":    {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0, "something else"},
		"one wrong": {key + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", 0, "something else"},
	} {
		file := filepath.Join(t.TempDir(), "keys.pem")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := serverConfig{PluginKeys: file}.pluginKeys()
		if len(keys) != c.keys || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
	if keys, err := (serverConfig{}).pluginKeys(); keys != nil || err != nil {
		t.Errorf("no file: %v, %v", keys, err)
	}
	if _, err := (serverConfig{PluginKeys: "/nowhere"}).pluginKeys(); err == nil {
		t.Error("a file that is not there")
	}
}
