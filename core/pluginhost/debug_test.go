// SPDX-License-Identifier: Apache-2.0

package pluginhost_test

import (
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/rhyzome/rhyzome/core/pluginhost"
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
)

// startStopped attaches a provider that says nothing after its snapshot, as one that a debugger stops.
func (r *rig) startStopped(m member) (provider *book) {
	r.t.Helper()
	d, log := r.dialer(m, func(s grpc.ServiceRegistrar) {
		pb.RegisterProviderServiceServer(s, &script{watch: func(s grpc.ServerStreamingServer[pb.WatchResponse]) error {
			if err := s.Send(snapshotEnd); err != nil {
				return err
			}
			<-s.Context().Done()
			return s.Context().Err()
		}})
	}, "p")
	d.Hello.Debug = true
	run(r.t, d)
	r.waitReady(m.id)
	return log
}

func TestADebuggedProviderMayBeSilent(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, 0, "127.0.0.1:0", func(o *pluginhost.Options) { o.Debug, o.Heartbeat = true, 50*time.Millisecond })
	log := r.startStopped(r.join("r1"))
	log.wait(t, 1, "deadlines are suspended")
	time.Sleep(time.Second) // many heartbeats
	if r.observer.count("detached") > 0 {
		t.Error("it was taken for silent")
	}
}

func TestOnlyACoreForDevelopmentSuspendsDeadlines(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, 0, "127.0.0.1:0", func(o *pluginhost.Options) { o.Heartbeat = 50 * time.Millisecond })
	m := r.join("r1")
	log := r.startStopped(m)
	log.wait(t, 1, "this core keeps its deadlines")
	r.log.wait(t, 1, "a provider asks to suspend deadlines", "provider=r1")
	r.observer.wait(t, 1, "detached "+m.id, "silent")
}
