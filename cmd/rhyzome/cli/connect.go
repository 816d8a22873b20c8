// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/client"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// settings returns what counts: flags over environment over the context.
func (a *app) settings() (settings, error) {
	file, err := readContexts()
	if err != nil {
		return settings{}, err
	}
	context, err := file.pick(a.named)
	if err != nil {
		return settings{}, err
	}
	if a.named != "" { // it was asked for, so it counts more than what lies around in the environment
		return a.flags.over(context), nil
	}
	return a.flags.over(fromEnvironment()).over(context), nil
}

// connect returns a client of the core that is meant.
func (a *app) connect() (*client.Client, error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	if s.URL == "" {
		return nil, usage("no core is known; say where it is: --url, RHYZOME_URL, or rhyzome context set NAME --url https://core.example:8443")
	}
	config := client.Config{URL: s.URL, Token: s.Token}
	if s.Token == "" && s.TokenFile != "" {
		raw, err := os.ReadFile(s.TokenFile)
		if err != nil {
			return nil, usage("the token cannot be read: %s", err.Error())
		}
		config.Token = strings.TrimSpace(string(raw))
	}
	if s.CAFile != "" {
		if config.CACert, err = os.ReadFile(s.CAFile); err != nil {
			return nil, usage("the CA cannot be read: %s", err.Error())
		}
	}
	c, err := client.New(config)
	if err != nil {
		return nil, s.explain(fault.Of(err))
	}
	return c, nil
}

// explain says which setting a client cannot be made with.
func (s settings) explain(f *fault.Error) error {
	if len(f.Fields) == 0 {
		return f
	}
	wrong := f.Fields[0]
	if wrong.Field == "/ca_cert" {
		return usage("the CA file %s: %s", s.CAFile, wrong.Description)
	}
	return usage("%s", wrong.Description)
}

// in returns a client, and the project that is meant.
func (a *app) in() (*client.Client, string, error) {
	c, err := a.connect()
	if err != nil {
		return nil, "", err
	}
	s, err := a.settings()
	if err != nil {
		return nil, "", err
	}
	if s.Project == "" {
		return nil, "", usage("no project is named: --project, RHYZOME_PROJECT, or rhyzome context set NAME --project alice")
	}
	return c, s.Project, nil
}
