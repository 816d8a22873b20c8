// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/store"
)

var release = flag.String("release", "", "write testdata/release/VERSION/rhyzome.db; scripts/release calls it so")

const releases = "../../testdata/release"

// TestReleases opens a copy of the database of every release, which migrates it, and finds what was in it.
func TestReleases(t *testing.T) {
	if *release != "" {
		writeRelease(t, filepath.Join(releases, *release, "rhyzome.db"))
	}
	files, err := filepath.Glob(filepath.Join(releases, "*", "rhyzome.db"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no releases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old := filepath.Join(t.TempDir(), "rhyzome.db")
			if err := os.WriteFile(old, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openAt(t, old)
			if err := s.View(t.Context(), func(tx core.Tx) error { findRelease(t, tx); return nil }); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func openAt(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path, func() time.Time { return releasedAt }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// writeRelease makes a database with a row of every kind. Closing it leaves one file, without a log beside it.
func writeRelease(t *testing.T, path string) {
	t.Helper()
	s := openAt(t, path)
	if err := s.Update(t.Context(), fillRelease); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
}

var releasedAt = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const releaseID = "0198c0de-0000-7000-8000-000000000001"

func releaseMeta(name string) core.Meta {
	return core.Meta{ID: releaseID, Name: name, Generation: 1, CreatedAt: releasedAt, UpdatedAt: releasedAt}
}

// fillRelease is what a small cloud holds. All rows have one id: they are of different kinds.
func fillRelease(tx core.Tx) error {
	port := core.Port{
		ID: releaseID, Network: releaseID, NetworkName: "net", Instance: releaseID, MAC: "52:54:00:00:00:01",
		Addresses: []string{"10.128.0.2", "fd00::10"}, DNSName: "web.net.alice.rhyzome.internal", Generation: 1,
	}
	for _, insert := range []func() error{
		func() error { return tx.Projects().Insert(core.Project{Meta: releaseMeta("alice")}) },
		func() error {
			return tx.Fabrics().Insert(core.Fabric{Meta: releaseMeta("site"), Spec: core.FabricSpec{Kind: "vlan", SegmentMin: 100, SegmentMax: 199}})
		},
		func() error {
			return tx.Providers().Insert(core.Provider{Meta: releaseMeta("hv1"), Status: core.ProviderStatus{State: core.ProviderUnreachable, Services: []string{"compute"}, Capabilities: []string{"power"}}})
		},
		func() error {
			return tx.JoinTokens().Insert(core.JoinToken{ID: releaseID, Provider: releaseID, SecretHash: "00", CreatedAt: releasedAt, ExpiresAt: releasedAt, UsedAt: &releasedAt})
		},
		func() error {
			return tx.Hosts().Insert(core.Host{Meta: releaseMeta("hv1"), Provider: releaseID, BackendID: "machine", Capacity: map[string]int64{"vcpus": 8}, Fabrics: []string{"site"}, State: core.PlaceReady})
		},
		func() error {
			return tx.Routers().Insert(core.Router{Meta: releaseMeta("router"), Provider: releaseID, BackendID: "machine", Fabrics: []string{"site"}, MTU: 1500, State: core.PlaceReady})
		},
		func() error {
			return tx.Images().Insert(core.Image{Meta: releaseMeta("debian"), Project: releaseID, Spec: core.ImageSpec{Format: "qcow2"}, Status: core.ImageStatus{State: core.ImageReady, SizeBytes: 1}})
		},
		func() error {
			return tx.Networks().Insert(core.Network{Meta: releaseMeta("net"), Project: releaseID, Status: core.NetworkStatus{State: core.NetworkReady, Handle: "abcd1234", Fabric: "site", SegmentID: 100, Router: releaseID, Subnets: []core.Subnet{{CIDR: "10.128.0.0/24", Gateway: "10.128.0.1"}}}})
		},
		func() error { return tx.Ports().Insert(port) },
		func() error {
			return tx.Peers().Insert(core.Peer{Meta: releaseMeta("laptop"), Project: releaseID, Network: releaseID, Spec: core.PeerSpec{PublicKey: "key"}, Status: core.PeerStatus{State: core.PeerReady, Addresses: []string{"100.64.0.2"}, AllowedIPs: []string{}, DNS: []string{}}})
		},
		func() error {
			return tx.Instances().Insert(core.Instance{Meta: releaseMeta("web"), Project: releaseID, Spec: core.InstanceSpec{Kind: "vm", Image: releaseID, VCPUs: 1}, Status: core.InstanceStatus{State: core.InstanceRunning, Host: releaseID, Ports: []core.Port{port}}})
		},
		func() error {
			return tx.Operations().Insert(core.Operation{ID: releaseID, Project: releaseID, Kind: "instance.create", Resource: core.ResourceRef{Kind: "instance", ID: releaseID, Name: "web"}, State: core.OperationSucceeded, Steps: []core.OperationStep{}, CreatedAt: releasedAt, UpdatedAt: releasedAt})
		},
		func() error { return tx.SetSetting("cloud_id", releaseID) },
		func() error { return tx.Emit(core.Event{At: releasedAt, Type: "instance.created", Project: releaseID}) },
	} {
		if err := insert(); err != nil {
			return err
		}
	}
	return nil
}

// findRelease looks for the rows of fillRelease.
func findRelease(t *testing.T, tx core.Tx) {
	t.Helper()
	i, err := tx.Instances().Get(releaseID)
	if err != nil || i.Name != "web" || len(i.Status.Ports) != 1 || i.Status.Ports[0].Addresses[1] != "fd00::10" {
		t.Errorf("instance: %+v, %v", i, err)
	}
	n, err := tx.Networks().Get(releaseID)
	if err != nil || n.Status.Handle != "abcd1234" || n.Status.SegmentID != 100 {
		t.Errorf("network: %+v, %v", n, err)
	}
	for kind, get := range map[string]func() error{
		"project":    func() error { _, err := tx.Projects().Get(releaseID); return err },
		"fabric":     func() error { _, err := tx.Fabrics().Get(releaseID); return err },
		"provider":   func() error { _, err := tx.Providers().Get(releaseID); return err },
		"join token": func() error { _, err := tx.JoinTokens().Get(releaseID); return err },
		"host":       func() error { _, err := tx.Hosts().Get(releaseID); return err },
		"router":     func() error { _, err := tx.Routers().Get(releaseID); return err },
		"image":      func() error { _, err := tx.Images().Get(releaseID); return err },
		"port":       func() error { _, err := tx.Ports().Get(releaseID); return err },
		"peer":       func() error { _, err := tx.Peers().Get(releaseID); return err },
		"operation":  func() error { _, err := tx.Operations().Get(releaseID); return err },
	} {
		if err := get(); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if events, err := tx.Events(0, 10); err != nil || len(events) != 1 {
		t.Errorf("events: %+v, %v", events, err)
	}
	if cloud, err := tx.Setting("cloud_id"); err != nil || cloud != releaseID {
		t.Errorf("cloud id %q, %v", cloud, err)
	}
}
