// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

const idFile = "router-id"

// completeIdentity fills in what the settings leave to the machine.
func (r *router) completeIdentity() error {
	if r.Router.Name == "" {
		name, err := os.ReadFile(r.hostname)
		if err != nil {
			return configFault(err)
		}
		r.Router.Name = strings.TrimSpace(string(name))
	}
	if r.Router.ID != "" {
		return nil
	}
	for _, path := range []string{r.machineID, filepath.Join(r.state, idFile)} {
		id, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return configFault(err)
		}
		if r.Router.ID = strings.TrimSpace(string(id)); r.Router.ID != "" {
			return nil
		}
	}
	r.Router.ID = r.newID() // OpenWrt has no machine-id
	return configFault(r.keep(idFile, []byte(r.Router.ID+"\n")))
}

// ListRouters implements provider.Networks: the one that the provider runs on.
func (p *Provider) ListRouters(ctx context.Context) ([]provider.Router, error) {
	r, err := p.configured()
	if err != nil {
		return nil, err
	}
	live, err := r.interfaces(ctx)
	if err != nil {
		return nil, err
	}
	var fabrics []string
	for name := range r.Fabrics {
		fabrics = append(fabrics, name)
	}
	slices.Sort(fabrics)
	return []provider.Router{{
		ID: r.Router.ID, Name: r.Router.Name, Labels: r.Router.Labels,
		Fabrics: fabrics, Endpoint: r.Endpoint.public(), DelegatedPrefixes: delegated(live),
		MTU: r.MTU, MaxNetworks: r.MaxNetworks,
	}}, nil
}

// delegated returns the IPv6 prefixes that the router's own interfaces were given.
func delegated(live map[string]netInterface) []netip.Prefix {
	var all []netip.Prefix
	for name, i := range live {
		for _, a := range i.Prefixes {
			if p := a.prefix(); p.IsValid() && !owned(name) {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return all
}
