// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/core/pki"
	"github.com/rhyzome/rhyzome/core/store"
)

// command runs the command line with an input.
func command(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	root := newRootCommand()
	var out, told bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&told)
	err = root.ExecuteContext(t.Context())
	return out.String(), told.String(), err
}

// TestARootOnAnotherMachine: what the two commands print there is what a core takes.
func TestARootOnAnotherMachine(t *testing.T) {
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "db"), now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	authority, err := pki.Open(t.Context(), pki.Options{
		Dir: t.TempDir(), Store: db, Now: now, NewID: newID, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	request, err := authority.RequestCA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "vault")
	said, _, err := command(t, "", "ca", "root", "--cloud", request.Cloud, "--out", dir)
	if err != nil || !strings.Contains(said, "The root is SHA256:") {
		t.Fatalf("%q, %v", said, err)
	}
	signed, told, err := command(t, request.CertificateRequest, "ca", "sign", "--root", dir)
	if err != nil || !strings.Contains(told, request.KeyFingerprint) {
		t.Fatalf("%q, %v", told, err)
	}
	ca, err := authority.InstallCA(t.Context(), signed)
	if err != nil || !strings.Contains(said, ca.Roots[1].Fingerprint) {
		t.Errorf("%+v, %v", ca, err)
	}
	for _, args := range [][]string{
		{"ca", "root", "--cloud", request.Cloud, "--out", dir},
		{"ca", "root", "--out", t.TempDir()},
		{"ca", "sign"},
		{"ca", "sign", "--root", dir, "--years", "0"},
		{"ca", "sign", "--root", dir, "--years", "300"},
		{"ca", "sign", "--root", t.TempDir()},
	} {
		if _, _, err := command(t, request.CertificateRequest, args...); err == nil {
			t.Errorf("%q went well", args)
		}
	}
}
