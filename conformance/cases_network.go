// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

func networkCases() []Case {
	return []Case{
		{
			ID: "NETWORK-ROUTERS-001", Level: Must, Needs: wire.ServiceNetwork,
			Title:    "Routers have ids that stay",
			Sentence: "A router's id MUST be unique, the machine's own, and stay over restarts of the provider and of the machine.",
			Fix:      "Use an id that the router keeps in its own configuration.",
			Catches:  []string{"has routers without names", "invents routers"},
			Run:      routersStay,
		},
		{
			ID: "NETWORK-KEY-001", Level: Must, Needs: wire.CapabilityPeers,
			Title:    "A network's WireGuard key stays",
			Sentence: "A network's WireGuard private key MUST be made on the router, stay the same over generations and restarts, and its public half be reported when the phase is READY.",
			Fix:      "Make the key once, keep it in the router's configuration, and read it before you make one.",
			Catches:  []string{"makes a new key each time"},
			Run:      keyStays,
		},
		{
			ID: "PEER-UNDISTURBED-001", Level: Must, Needs: wire.CapabilityPeers,
			Title:    "Peers that come and go disturb nobody",
			Sentence: "Adding or removing one peer MUST NOT disturb the sessions of the others.",
			Fix:      "Change the one peer of the live interface; do not take the interface down or write its whole configuration anew.",
			Catches:  []string{"restarts the tunnel when a peer goes", "restarts the tunnel for each peer"},
			Run:      peersUndisturbed,
		},
		{
			ID: "PORT-ADDRESS-001", Level: Must, Needs: wire.ServiceNetwork,
			Title:    "A port's addresses are all of its network",
			Sentence: "A port's address outside the network's subnets MUST be refused with INVALID_ARGUMENT, INVALID_FIELD.",
			Fix:      "Compare each of the addresses, v4 and v6, with the subnets of the network that the router holds.",
			Catches:  []string{"looks at a port's first address only"},
			Run:      portAddresses,
		},
	}
}

func portAddresses(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	other := s.networkSpec()
	for i := range n.Subnets {
		spec := s.portSpec(n)
		spec.Addresses[i] = other.Subnets[i].Gateway.Next()
		what := fmt.Sprintf("a port with the address %s, of no subnet of its network", spec.Addresses[i])
		if err := s.refused(ctx, what, portKind(), applyPort(spec), fault.InvalidField); err != nil {
			return err
		}
	}
	return nil
}

func routersStay(ctx context.Context, s *Session) error {
	before, err := s.routerIDs(ctx)
	if err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	after, err := s.routerIDs(ctx)
	if err == nil && !reflect.DeepEqual(before, after) {
		err = fmt.Errorf("routers %q are %q after a restart", before, after)
	}
	return err
}

func (s *Session) routerIDs(ctx context.Context) ([]string, error) {
	routers, err := s.client.ListRouters(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range routers {
		if r.ID == "" || r.Name == "" || slices.Contains(ids, r.ID) {
			return nil, fmt.Errorf("router %q, called %q: ids are unique, and neither is empty", r.ID, r.Name)
		}
		if e := r.Endpoint; e != nil && (e.Host == "" || e.PortMin < 1 || e.PortMax < e.PortMin || e.PortMax > 65535) {
			return nil, fmt.Errorf("router %s declares the endpoint %+v", r.ID, *e)
		}
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids, nil
}

func keyStays(ctx context.Context, s *Session) error {
	spec, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	first, err := s.publicKey(ctx, spec.ID)
	if err != nil {
		return err
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	spec.Generation, spec.SpecDigest = 2, "sha256:conformance-2"
	if _, err := s.make(ctx, networkKind(), applyNetwork(spec)); err != nil {
		return err
	}
	second, err := s.publicKey(ctx, spec.ID)
	if err == nil && first != second {
		err = fmt.Errorf("the key was %s, and is %s in the next generation: every peer is cut off", first, second)
	}
	return err
}

func (s *Session) publicKey(ctx context.Context, id string) (string, error) {
	n, err := s.client.GetNetwork(ctx, id)
	if err != nil {
		return "", err
	}
	if key, err := base64.StdEncoding.DecodeString(n.WireGuardPublicKey); err != nil || len(key) != 32 {
		return "", fmt.Errorf("the public key is %q", n.WireGuardPublicKey)
	}
	return n.WireGuardPublicKey, nil
}

func peersUndisturbed(ctx context.Context, s *Session) error {
	n, err := s.makeNetwork(ctx)
	if err != nil {
		return err
	}
	peers := make([]draft, 3)
	for i := range peers {
		spec, err := s.peerSpec(n)
		if err != nil {
			return err
		}
		for j, a := range spec.Addresses {
			for range i {
				a = a.Next()
			}
			spec.Addresses[j] = a
		}
		peers[i] = applyPeer(spec)
	}
	k := peerKind()
	if _, err := s.make(ctx, k, peers[0]); err != nil {
		return err
	}
	key, err := s.publicKey(ctx, n.ID)
	if err != nil {
		return err
	}
	before, err := s.client.GetPeer(ctx, peers[0].tag.ID)
	if err != nil {
		return err
	}
	for _, d := range peers[1:] {
		if _, err := s.make(ctx, k, d); err != nil {
			return err
		}
		if err := s.undisturbed(ctx, before, n.ID, key); err != nil {
			return fmt.Errorf("after another peer came: %w", err)
		}
	}
	if err := s.remove(ctx, k, peers[1].tag); err != nil {
		return err
	}
	if err := s.undisturbed(ctx, before, n.ID, key); err != nil {
		return fmt.Errorf("after another peer went: %w", err)
	}
	return nil
}

// undisturbed checks that a peer is as before, or has talked since.
func (s *Session) undisturbed(ctx context.Context, before provider.Peer, network, key string) error {
	now, err := s.client.GetPeer(ctx, before.ID)
	if err != nil {
		return err
	}
	if now.Phase != provider.PhaseReady || now.BackendRef != before.BackendRef || now.LastHandshake < before.LastHandshake ||
		now.ReceivedBytes < before.ReceivedBytes || now.SentBytes < before.SentBytes {
		return fmt.Errorf("the first peer was %+v, and is %+v", before, now)
	}
	after, err := s.publicKey(ctx, network)
	if err == nil && after != key {
		err = errors.New("the network has another key")
	}
	return err
}
