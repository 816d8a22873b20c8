// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"errors"
	"os"
	"strings"

	"github.com/kdomanski/iso9660"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// seedLabel is the volume label by which cloud-init finds a NoCloud seed.
const seedLabel = "cidata"

// writeSeed makes the NoCloud seed: an ISO 9660 image with three files. It may hold secrets, so nobody but root, and
// later QEMU, may read it.
func writeSeed(path string, seed provider.CloudInit) error {
	return placeFile(path, func(part string) (err error) {
		image, err := iso9660.NewWriter()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, image.Cleanup()) }()
		for name, content := range map[string]string{
			"user-data": seed.UserData, "meta-data": seed.MetaData, "network-config": seed.NetworkConfig,
		} {
			if name == "network-config" && content == "" {
				continue // an empty one would mean: no network
			}
			if err := image.AddFile(strings.NewReader(content), name); err != nil {
				return err
			}
		}
		out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		return errors.Join(image.WriteTo(out, seedLabel), out.Close())
	})
}
