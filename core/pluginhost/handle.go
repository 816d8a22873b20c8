// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"bytes"
	"context"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// withHandle returns a context that carries what the provider gave the core to remember of an object, and the same by
// itself. Only answers to commands for the object bring it, so that a provider fills the store with nothing else.
func (s *Session) withHandle(ctx context.Context, object string) (context.Context, []byte, error) {
	var handle []byte
	err := s.host.Store.View(ctx, func(tx core.Tx) (err error) {
		handle, err = tx.BackendHandle(s.provider.ID, object)
		return err
	})
	return provider.WithHandle(ctx, handle), handle, err
}

// keepHandle remembers what an answer holds, and returns the context and the handle of the next call. An answer that holds
// nothing changes nothing.
func (s *Session) keepHandle(ctx context.Context, object string, known, handle []byte) (context.Context, []byte, error) {
	if len(handle) == 0 || bytes.Equal(known, handle) {
		return ctx, known, nil
	}
	return provider.WithHandle(ctx, handle), handle, s.setHandle(ctx, object, handle)
}

// dropHandle forgets an object that is gone.
func (s *Session) dropHandle(ctx context.Context, object string, known []byte) error {
	if len(known) == 0 {
		return nil
	}
	return s.setHandle(ctx, object, nil)
}

func (s *Session) setHandle(ctx context.Context, object string, handle []byte) error {
	return s.host.Store.Update(ctx, func(tx core.Tx) error { return tx.SetBackendHandle(s.provider.ID, object, handle) })
}
