// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
)

// dataService is told by the core when it needs the data connection of a session: an idle one would cost both ends as much
// as the session itself.
type dataService struct {
	pb.UnimplementedDataServiceServer
	asked chan struct{} // holds one, which stands for many
}

func newDataService() *dataService { return &dataService{asked: make(chan struct{}, 1)} }

// OpenData implements DataService.
func (s *dataService) OpenData(context.Context, *pb.OpenDataRequest) (*pb.OpenDataResponse, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	return &pb.OpenDataResponse{}, nil
}

// openData opens the data connection of a session when it is asked for, until ctx, the session's, ends. The core closes
// it when it is idle.
func (d *Dialer) openData(ctx context.Context, address string, data *dataService) {
	for {
		select {
		case <-data.asked:
		case <-ctx.Done():
			return
		}
		once, opened := context.WithCancel(ctx)
		d.connectData(once, address, opened)
		opened()
	}
}

// keepData keeps the data connection of a session open until ctx, the session's, ends: for a core that does not ask.
func (d *Dialer) keepData(ctx context.Context, address string) {
	d.connectData(ctx, address, func() {})
}

// connectData makes data connections until ctx ends. ended is called at the end of each.
func (d *Dialer) connectData(ctx context.Context, address string, ended func()) {
	keep(ctx, Backoff{}, func() (bool, error) {
		conn, answer, err := d.dial(ctx, address, ProtocolData)
		if err != nil {
			return false, err
		}
		defer ended()
		return true, d.serve(ctx, conn, answer, nil)
	}, func(err error) { d.Log.Debug("data connection ended", "core", address, "error", err) })
}
