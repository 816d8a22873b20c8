// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// testJoinTokens: of many who redeem a token that all of them saw unused, one succeeds.
func testJoinTokens(t *testing.T, s core.Store) {
	token := core.JoinToken{ID: id(1), Provider: id(2), SecretHash: "hash", CreatedAt: at, ExpiresAt: at}
	update(t, s, func(tx core.Tx) error { return tx.JoinTokens().Insert(token) })
	var redeemed, refused atomic.Int32
	var all sync.WaitGroup
	for _, key := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			mine := token
			mine.UsedAt, mine.Key = &at, key
			switch err := s.Update(t.Context(), func(tx core.Tx) error { return tx.RedeemToken(mine) }); fault.ReasonOf(err) {
			case "":
				redeemed.Add(1)
			case fault.TokenUsed:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if redeemed.Load() != 1 || refused.Load() != 3 {
		t.Errorf("%d redeemed it, %d were refused", redeemed.Load(), refused.Load())
	}
	kept, err := get(t, s, core.Tx.JoinTokens, token.ID)
	if err != nil || kept.UsedAt == nil || kept.Key == "" {
		t.Errorf("kept %+v, %v", kept, err)
	}
	update(t, s, func(tx core.Tx) error { return tx.JoinTokens().Update(kept) }) // as an approval does
	again := token
	again.UsedAt = &at
	err = s.Update(t.Context(), func(tx core.Tx) error { return tx.RedeemToken(again) })
	wantReason(t, "RedeemToken of a used one", err, fault.TokenUsed)
}
