// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"slices"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/operation"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

const fieldKey = "/spec/public_key"

// CreatePeer records a peer with its addresses, and the operation that will admit it. It refuses with InvalidField,
// NameTaken (also for a key that another peer of the network has), NoEndpoint, NoCapability, BadState and SubnetFull.
func (s *Service) CreatePeer(ctx context.Context, project, network string, req core.New, spec core.PeerSpec) (p core.Peer, op core.Operation, err error) {
	if err := fault.Join(append(req.Check(), core.CheckPublicKey(fieldKey, spec.PublicKey))...); err != nil {
		return core.Peer{}, core.Operation{}, err
	}
	err = s.store.Update(ctx, func(tx core.Tx) error {
		p, op, err = s.acceptPeer(tx, project, network, req, spec)
		return err
	})
	if err != nil {
		return core.Peer{}, core.Operation{}, err
	}
	s.runner.Wake()
	return p, op, nil
}

func (s *Service) acceptPeer(tx core.Tx, project, network string, req core.New, spec core.PeerSpec) (core.Peer, core.Operation, error) {
	none := core.Peer{}
	_, n, err := find(tx, project, network)
	if err != nil {
		return none, core.Operation{}, err
	}
	if err := refusePeers(tx, n); err != nil {
		return none, core.Operation{}, err
	}
	others, err := peersOf(tx, n)
	if err != nil {
		return none, core.Operation{}, err
	}
	if err := refuseKey(n, others, spec.PublicKey); err != nil {
		return none, core.Operation{}, err
	}
	p := core.Peer{Meta: req.Meta(s.newID(), s.now), Project: n.Project, Network: n.ID, Spec: spec}
	op, err := s.runner.Accept(tx, operation.Request{
		Kind: kindCreatePeer, Project: n.Project, Resource: peerRef(p), Parents: []string{n.ID},
	})
	if err != nil {
		return none, op, err
	}
	if p.Status, err = admit(n, others); err != nil {
		return none, op, err
	}
	p.Status.Operation = op.ID
	if err := tx.Peers().Insert(p); err != nil {
		return none, op, err
	}
	return p, op, s.emitPeer(tx, p, "peer.created", "")
}

// refusePeers says why a network admits no peers. One that is being made is left to the runner: it names the operation.
func refusePeers(tx core.Tx, n core.Network) error {
	if err := Usable(n); err != nil {
		return err
	}
	router, err := tx.Routers().Get(n.Status.Router)
	if err != nil {
		return err
	}
	if n.Status.WireGuard == nil && router.Endpoint == nil {
		return fault.New(fault.NoEndpoint, "router %s of network %s declares no public endpoint; set endpoint in its provider's configuration, then create the network anew", router.Name, n.Name)
	}
	if n.Status.WireGuard == nil {
		return fault.New(fault.NoEndpoint, "network %s was created without WireGuard; create another with wireguard true", n.Name)
	}
	p, err := tx.Providers().Get(router.Provider)
	if err != nil {
		return err
	}
	if !slices.Contains(p.Status.Capabilities, core.CapabilityPeers) {
		return fault.New(fault.NoCapability, "provider %s of router %s does not offer the capability peers", p.Name, router.Name)
	}
	return nil
}

// Usable refuses what cannot be added to a network that failed or is being deleted.
func Usable(n core.Network) error {
	if n.Status.State == core.NetworkError || n.Status.State == core.NetworkDeleting {
		return fault.New(fault.BadState, "network %s is in state %s; use another network", n.Name, n.Status.State)
	}
	return nil
}

func refuseKey(n core.Network, others []core.Peer, key string) error {
	if key == n.Status.WireGuard.PublicKey {
		return fault.Invalid(fieldKey, "this is the network's own key; use the one that wg pubkey prints on the peer's machine")
	}
	for _, o := range others {
		if o.Spec.PublicKey == key {
			err := fault.New(fault.NameTaken, "peer %s has this public key already; make a key of its own for each peer", o.Name)
			err.Fields = []fault.FieldViolation{{Field: fieldKey, Description: "used by peer " + o.Name}}
			return err
		}
	}
	return nil
}

// admit gives a peer its addresses, and says what it reaches.
func admit(n core.Network, others []core.Peer) (core.PeerStatus, error) {
	st := core.PeerStatus{State: core.PeerBuilding}
	wg := n.Status.WireGuard
	var used []string
	for _, o := range others {
		used = append(used, o.Status.Addresses...)
	}
	for _, sub := range n.Status.Subnets {
		st.AllowedIPs = append(st.AllowedIPs, sub.CIDR)
	}
	for _, sub := range wg.Subnets {
		used = append(used, sub.Gateway)
		st.AllowedIPs = append(st.AllowedIPs, sub.CIDR)
		st.DNS = append(st.DNS, sub.Gateway)
	}
	var err error
	if st.Addresses, err = assign(wg.Subnets, used); err != nil {
		return st, full(n, err)
	}
	return st, nil
}

func (s *Service) createPeerPlan() operation.Plan {
	return operation.Plan{
		Kind:      kindCreatePeer,
		Steps:     []operation.Step{{Name: "apply peer", Do: s.applyPeer, Undo: s.deletePeer}},
		Ended:     s.peerCreated,
		Leftovers: peerLeftovers,
	}
}

func (s *Service) applyPeer(ctx context.Context, r *operation.Run) error {
	at, err := s.locatePeer(ctx, r.Operation.Resource.ID)
	if err != nil {
		return err
	}
	_, err = at.provider.ApplyPeer(ctx, r.Fence, at.spec, r.Progress)
	return err
}

// peerCreated sets what became of a new peer; see created for what it keeps.
func (s *Service) peerCreated(tx core.Tx, op core.Operation) error {
	p, err := tx.Peers().Get(op.Resource.ID)
	if err != nil {
		return err
	}
	p.Status.Operation, p.Status.State, p.Status.Message = "", core.PeerReady, ""
	if op.State != core.OperationSucceeded {
		p.Status.State, p.Status.Message = core.PeerError, outcome(op)
	}
	if op.State == core.OperationFailed || op.State == core.OperationCanceled {
		p.Status.Addresses, p.Status.AllowedIPs, p.Status.DNS = []string{}, []string{}, []string{}
	}
	p.UpdatedAt = s.now()
	if err := tx.Peers().Update(p); err != nil {
		return err
	}
	return s.emitPeer(tx, p, "peer.updated", string(p.Status.State))
}

// peerLeftovers says what may stay on the router if the operation is given up.
func peerLeftovers(tx core.Tx, op core.Operation) ([]string, error) {
	p, err := tx.Peers().Get(op.Resource.ID)
	if err != nil || len(p.Status.Addresses) == 0 {
		return nil, err
	}
	n, err := tx.Networks().Get(p.Network)
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("peer %s with key %s on interface rzw_%s: it may still be admitted", p.Name, p.Spec.PublicKey, n.Status.Handle)}, nil
}
