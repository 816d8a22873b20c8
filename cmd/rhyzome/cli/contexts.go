// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"
)

// contextsFile is what ~/.config/rhyzome/contexts.yaml holds.
type contextsFile struct {
	Current  string              `yaml:"current,omitempty"`
	Contexts map[string]settings `yaml:"contexts,omitempty"`
}

// settings say which core is meant, and how to be let in.
type settings struct {
	URL       string `yaml:"url,omitempty"`
	Token     string `yaml:"token,omitempty"`
	TokenFile string `yaml:"token_file,omitempty"`
	CAFile    string `yaml:"ca_file,omitempty"`
	Project   string `yaml:"project,omitempty"`
}

func contextsPath() (string, error) {
	if path := os.Getenv("RHYZOME_CONTEXTS"); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", usage("there is no home directory for the contexts file: set RHYZOME_CONTEXTS")
	}
	return filepath.Join(dir, "rhyzome", "contexts.yaml"), nil
}

// readContexts returns what the file says; nothing if there is none. It may hold tokens, so it must be the user's own.
func readContexts() (contextsFile, error) {
	var c contextsFile
	path, err := contextsPath()
	if err != nil {
		return c, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, usage("the contexts file cannot be read: %s", err.Error())
	}
	if info.Mode().Perm()&0o077 != 0 {
		return c, usage("%s may be read by others (%v): chmod 600 it", path, info.Mode().Perm())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return c, usage("the contexts file cannot be read: %s", err.Error())
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return c, usage("%s: %s", path, err.Error())
	}
	return c, nil
}

// write replaces the file whole.
func (c contextsFile) write() error {
	path, err := contextsPath()
	if err != nil {
		return err
	}
	raw, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".contexts.*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// pick returns the context that is named, or the current one; an empty one if there is none.
func (c contextsFile) pick(name string) (settings, error) {
	if name == "" {
		name = c.Current
	}
	s, known := c.Contexts[name]
	if name != "" && !known {
		return s, usage("there is no context %q; see: rhyzome context list", name)
	}
	path, err := contextsPath()
	if err != nil {
		return s, err
	}
	s.TokenFile, s.CAFile = beside(path, s.TokenFile), beside(path, s.CAFile)
	return s, nil
}

// beside makes a path of the contexts file absolute: it is relative to that file.
func beside(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

func contextNames() ([]string, error) {
	c, err := readContexts()
	return slices.Sorted(maps.Keys(c.Contexts)), err
}

func fromEnvironment() settings {
	return settings{
		URL: os.Getenv("RHYZOME_URL"), Token: os.Getenv("RHYZOME_TOKEN"), TokenFile: os.Getenv("RHYZOME_TOKEN_FILE"),
		CAFile: os.Getenv("RHYZOME_CA_FILE"), Project: os.Getenv("RHYZOME_PROJECT"),
	}
}

// over returns s, completed by what lies below. A token and a token file are one setting.
func (s settings) over(below settings) settings {
	set := func(to *string, from string) {
		if *to == "" {
			*to = from
		}
	}
	if s.Token == "" && s.TokenFile == "" {
		s.Token, s.TokenFile = below.Token, below.TokenFile
	}
	set(&s.URL, below.URL)
	set(&s.CAFile, below.CAFile)
	set(&s.Project, below.Project)
	return s
}
