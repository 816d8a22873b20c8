// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/proto/older"
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// capabilitiesOf are what each release's contract had.
var capabilitiesOf = map[string][]string{
	"0.1.0": {wire.CapabilityPower, wire.CapabilityImages, wire.CapabilityPeers},
}

// TestProvidersOfEarlierReleasesWork attaches a provider that speaks each release's contract, and lets it work.
func TestProvidersOfEarlierReleasesWork(t *testing.T) {
	releases, err := filepath.Glob("../../testdata/release/*/contract.binpb")
	if err != nil || len(releases) == 0 {
		t.Fatalf("no release: %v", err)
	}
	for _, path := range releases {
		release := filepath.Base(filepath.Dir(path))
		t.Run(release, func(t *testing.T) {
			contract, err := older.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			r, b := newRig(t), memory.NewBackend()
			m := r.join("old")
			e := newEngine(t, memory.New(b))
			d, _ := r.dialer(m, e.Register, e.Description().ProcessID)
			// The first one sees the answer as the contract's interceptors have left it.
			d.Options = append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(advertiseOnly(capabilitiesOf[release]))}, contract.ServerOptions()...)
			run(t, d)
			r.waitReady(m.id)

			n := r.network(m.id)
			spec := netSpec(t, newID(), 1)
			made, err := n.ApplyNetwork(within(t), r.fence(), spec, nil)
			if err != nil || made.ID != spec.ID {
				t.Fatalf("ApplyNetwork = %+v, %v", made, err)
			}
			r.observer.wait(t, 1, "observed", m.id)
			if err := n.DeleteNetwork(within(t), r.fence(), spec.Tag, nil); err != nil {
				t.Fatal(err)
			}
			if left := b.Objects(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// advertiseOnly takes the capabilities out of Describe's answer that a release did not have.
func advertiseOnly(known []string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		reply, err := handle(ctx, req)
		if d, ok := reply.(*pb.DescribeResponse); ok {
			d.Capabilities = slices.DeleteFunc(d.Capabilities, func(c *pb.Capability) bool { return !slices.Contains(known, c.GetName()) })
		}
		return reply, err
	}
}
