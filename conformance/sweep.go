// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// digestPrefix begins the spec digest of all that the suite makes, so that another run knows it.
const digestPrefix = "sha256:conformance-"

// ours lists the objects of a kind that a run of the suite made.
func (s *Session) ours(ctx context.Context, k kind) ([]provider.Observed, error) {
	if !s.description.Offers(k.needs) {
		return nil, nil
	}
	all, err := k.list(ctx, s.client)
	if err != nil {
		return nil, fmt.Errorf("list of %s: %w", k.name, err)
	}
	return slices.DeleteFunc(all, func(o provider.Observed) bool { return !strings.HasPrefix(o.SpecDigest, digestPrefix) }), nil
}

// sweepEarlier removes what an earlier run left, what stands on others first.
func (s *Session) sweepEarlier(ctx context.Context) (removed []string, err error) {
	all := kinds()
	slices.Reverse(all)
	var wrong []error
	for _, k := range all {
		left, err := s.ours(ctx, k)
		wrong = append(wrong, err)
		for _, o := range left {
			if err := s.remove(ctx, k, o.Tag); err != nil {
				wrong = append(wrong, fmt.Errorf("%s %s: %w", k.name, o.ID, err))
				continue
			}
			removed = append(removed, fmt.Sprintf("%s %s", k.name, o.ID))
		}
	}
	return removed, errors.Join(wrong...)
}
