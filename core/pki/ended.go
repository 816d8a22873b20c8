// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rhyzome/rhyzome/core"
)

// The way out, at a start, when an intermediate has ended: until then both go over the API, whose certificate it signs.
const (
	fileRequest = "request.pem"
	fileSigned  = "signed.pem"
)

// mendEnded installs what the root signed, if it lies in the CA's directory, and ends a rotation that is under way for it.
// Where the intermediate has ended and there is nothing, it writes the request.
func (a *Authority) mendEnded(ctx context.Context) error {
	c := a.ca.Load()
	if !c.offline() || !a.now().After(c.cert.NotAfter) {
		return nil
	}
	signed, err := readFile(filepath.Join(a.dir, fileSigned))
	if err != nil {
		return err
	}
	if signed == nil {
		return a.askForSigned(ctx)
	}
	for a.ca.Load().phase() != core.CASteady {
		if _, err := a.RotateCA(ctx, true); err != nil {
			return err
		}
	}
	if _, err := a.InstallCA(ctx, string(signed)); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(a.dir, fileSigned), err)
	}
	return errors.Join(remove(a.dir, fileSigned), remove(a.dir, fileRequest))
}

func (a *Authority) askForSigned(ctx context.Context) error {
	request, err := a.RequestCA(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(a.dir, fileRequest)
	a.log.Error("the intermediate that signs has ended, so that nobody can connect: let the root sign the request, and start again",
		"ended", a.ca.Load().cert.NotAfter, "request", file, "answer", filepath.Join(a.dir, fileSigned), "key", request.KeyFingerprint)
	return writeFile(file, []byte(request.CertificateRequest), 0o644)
}
