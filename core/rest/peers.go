// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func (a *api) peers() {
	const tag, all = "peers", "/v1/projects/{project}/networks/{network}/peers"
	const one, config = all + "/{peer}", all + "/{peer}/config"

	add(a, route{
		method: http.MethodPost, path: all, id: "createPeer", tag: tag, title: "Admit a peer to a network",
		about:  "Its addresses are decided at once; it is let in when the operation has succeeded.",
		status: http.StatusAccepted,
		faults: []fault.Reason{fault.NameTaken, fault.NoEndpoint, fault.NoCapability, fault.SubnetFull, fault.BadState},
	}, func(ctx context.Context, in newPeer) (accepted[core.Peer], error) {
		return accept(a.Peers.CreatePeer(ctx, in.Project, in.Network, in.New, in.Spec))
	})

	add(a, route{
		method: http.MethodGet, path: all, id: "listPeers", tag: tag, title: "List a network's peers", status: http.StatusOK,
	}, func(ctx context.Context, in inNetworkPage) (list[core.Peer], error) {
		return page(a.Peers.ListPeers(ctx, in.Project, in.Network, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getPeer", tag: tag, title: "Get a peer", status: http.StatusOK,
	}, func(ctx context.Context, in inPeer) (core.Peer, error) {
		return a.Peers.GetPeer(ctx, in.Project, in.Network, in.Peer)
	})

	add(a, route{
		method: http.MethodGet, path: config, id: "getPeerConfig", tag: tag, title: "Get a peer's wg-quick file",
		about:  "A placeholder stands where the private key belongs: it never leaves the client.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState},
	}, func(ctx context.Context, in inPeer) (wireGuardFile, error) {
		content, err := a.Peers.PeerConfig(ctx, in.Project, in.Network, in.Peer)
		return wireGuardFile{content}, err
	})

	add(a, route{
		method: http.MethodDelete, path: one, id: "deletePeer", tag: tag, title: "Shut a peer out", status: http.StatusAccepted,
	}, func(ctx context.Context, in inPeer) (started, error) {
		return start(a.Peers.DeletePeer(ctx, in.Project, in.Network, in.Peer))
	})
}

type newPeer struct {
	InNetwork
	core.New
	Spec core.PeerSpec `json:"spec"`
}

type inPeer struct {
	InNetwork
	Peer string `path:"peer" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the peer."`
}

type inNetworkPage struct {
	InNetwork
	Paging
}

// wireGuardFile is a text.
type wireGuardFile struct {
	Content string `contentType:"text/plain"`
}

func (f wireGuardFile) text() string { return f.Content }
