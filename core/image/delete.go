// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"

	"github.com/rhyzome/rhyzome/core"
)

// Delete removes an image, and its content if no other image shares it. HasChildren names the instances that stand
// on it.
func (s *Service) Delete(ctx context.Context, project, image string) error {
	s.removing.Lock()
	defer s.removing.Unlock()
	var gone core.Image
	err := s.store.Update(ctx, func(tx core.Tx) error {
		i, err := find(tx, project, image)
		if err != nil {
			return err
		}
		if err := refuseUsed(tx, i); err != nil {
			return err
		}
		gone = i
		if err := tx.Images().Delete(i.ID); err != nil {
			return err
		}
		return s.emit(tx, i, "image.deleted")
	})
	if err == nil && gone.Status.SHA256 != "" {
		s.removeUnused(context.WithoutCancel(ctx), gone.Status.SHA256)
	}
	return err
}

// refuseUsed relies on names being fixed: what an instance calls an image stays the name of that image.
func refuseUsed(tx core.Tx, i core.Image) error {
	instances, err := core.All(tx.Instances(), core.Query{Project: i.Project}, func(i core.Instance) string { return i.ID })
	if err != nil {
		return err
	}
	var users []string
	for _, n := range instances {
		for _, ref := range []string{n.Spec.Image, n.Spec.Initrd} {
			if ref == i.ID || ref == i.Name {
				users = append(users, "instance "+n.Name)
				break
			}
		}
	}
	return core.HasChildren("image "+i.Name, users)
}

// removeUnused removes content that no row names. What cannot be removed is swept at the next start.
func (s *Service) removeUnused(ctx context.Context, sha256 string) {
	used, err := s.used(ctx)
	if err == nil && !used[sha256] {
		err = s.files.remove(sha256)
	}
	if err != nil {
		s.log.Warn("image content stays until the next start", "sha256", sha256, "error", err)
	}
}

// sweep removes every content that no row names.
func (s *Service) sweep(ctx context.Context) error {
	used, err := s.used(ctx)
	if err != nil {
		return err
	}
	have, err := s.files.list()
	if err != nil {
		return err
	}
	for _, sha256 := range have {
		if used[sha256] {
			continue
		}
		if err := s.files.remove(sha256); err != nil {
			return err
		}
		s.log.Info("removed image content that nothing names", "sha256", sha256)
	}
	return nil
}

// used returns the digests that rows name.
func (s *Service) used(ctx context.Context) (map[string]bool, error) {
	used := map[string]bool{}
	err := s.store.View(ctx, func(tx core.Tx) error {
		rows, err := core.All(tx.Images(), core.Query{}, id)
		for _, i := range rows {
			used[i.Status.SHA256] = true
		}
		return err
	})
	return used, err
}
