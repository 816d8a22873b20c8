// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"strconv"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// Options that OpenWrt does not know and ignores. They stand on one section of each object: the interface of a network,
// the host of a port, a peer's own. They are written with it, before anything is applied.
const (
	optionID         = "rhyzome_id"
	optionGeneration = "rhyzome_generation"
	optionDigest     = "rhyzome_digest"
	optionState      = "rhyzome_state"
	optionNetwork    = "rhyzome_network" // on ports and peers: the id of their network
	optionName       = "rhyzome_name"    // on networks: PROJECT/NAME, for the router's owner
	optionFabric     = "rhyzome_fabric"  // on networks
)

// States of an object.
const (
	stateApplying = "applying" // written, not yet seen to work
	stateReady    = "ready"
)

func tagOptions(t provider.Tag, state string) []uci.Option {
	return []uci.Option{
		option(optionID, t.ID),
		option(optionGeneration, strconv.FormatInt(t.Generation, 10)),
		option(optionDigest, t.SpecDigest),
		option(optionState, state),
	}
}

// observe tells what a tagged section says of its object. ok is false for a section without a tag.
func observe(s uci.Section) (o provider.Observed, ok bool) {
	generation, err := strconv.ParseInt(s.Get(optionGeneration), 10, 64)
	if s.Get(optionID) == "" || err != nil {
		return o, false
	}
	o = provider.Observed{
		Tag:        provider.Tag{ID: s.Get(optionID), Generation: generation, SpecDigest: s.Get(optionDigest)},
		Phase:      provider.PhaseReady,
		BackendRef: s.Name,
	}
	if s.Get(optionState) != stateReady {
		fail(&o, fault.New(fault.Interrupted, "%s was written, but not seen to work", s.Name))
	}
	return o, true
}

func fail(o *provider.Observed, why *fault.Error) {
	o.Phase, o.Failure = provider.PhaseFailed, why
}

// option and list are what sections are written with; one without a value is left out.
func option(name, value string) uci.Option { return uci.Option{Name: name, Values: nonEmpty(value)} }

func list(name string, values ...string) uci.Option {
	return uci.Option{Name: name, List: true, Values: nonEmpty(values...)}
}

func nonEmpty(values ...string) []string {
	var kept []string
	for _, v := range values {
		if v != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

func section(kind, name string, options ...uci.Option) uci.Section {
	s := uci.Section{Type: kind, Name: name}
	for _, o := range options {
		if len(o.Values) > 0 {
			s.Options = append(s.Options, o)
		}
	}
	return s
}
