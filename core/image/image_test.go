// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/core/cloudtest"
	"github.com/rhyzome/rhyzome/core/image"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

type world struct {
	*cloudtest.Cloud
	*image.Service
	t     *testing.T
	dir   string
	alice core.Project
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Cloud: cloudtest.New(t), t: t, dir: filepath.Join(t.TempDir(), "images")}
	w.alice = w.AddProject("alice")
	w.restart()
	return w
}

func (w *world) restart() {
	w.t.Helper()
	s, err := image.New(w.t.Context(), w.Store, w.dir, cloudtest.Now, cloudtest.NewID, w.Log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Service = s
}

func (w *world) create(name string, spec core.ImageSpec) core.Image {
	w.t.Helper()
	i, err := w.Create(w.t.Context(), "alice", core.New{Name: name}, spec)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) upload(name, content string) (core.Image, error) {
	return w.Upload(w.t.Context(), "alice", name, strings.NewReader(content))
}

// files lists the image directory.
func (w *world) files() []string {
	w.t.Helper()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func TestUpload(t *testing.T) {
	w := newWorld(t)
	content := strings.Repeat("a disk", 100000)
	made := w.create("debian", core.ImageSpec{Format: "raw", SHA256: digest(content)})
	if made.Status.State != core.ImageWaiting || made.Status.SHA256 != "" {
		t.Errorf("created = %+v", made.Status)
	}
	i, err := w.Upload(t.Context(), "alice", "debian", iotest.HalfReader(strings.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	want := core.ImageStatus{State: core.ImageReady, SHA256: digest(content), SizeBytes: int64(len(content)), DiskBytes: int64(len(content))}
	if i.Status != want {
		t.Errorf("uploaded = %+v, want %+v", i.Status, want)
	}
	if stored, err := w.Get(t.Context(), "alice", "debian"); err != nil || stored.Status != want {
		t.Errorf("stored = %+v, %v", stored.Status, err)
	}
	for _, offset := range []int64{0, 7, int64(len(content))} {
		r, err := w.Open(t.Context(), i.Status.SHA256, offset)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != content[offset:] {
			t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
		}
		r.Close()
	}
	if _, err := w.upload("debian", "other"); fault.ReasonOf(err) != fault.BadState {
		t.Errorf("second upload: %v, want bad_state", err)
	}
	if got := w.files(); !slices.Equal(got, []string{digest(content)}) {
		t.Errorf("files = %v", got)
	}
	if info, err := os.Stat(filepath.Join(w.dir, digest(content))); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
}

func TestUploadRefuses(t *testing.T) {
	w := newWorld(t)
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("the line is cut")))
	for name, c := range map[string]struct {
		spec    core.ImageSpec
		content io.Reader
		reason  fault.Reason
	}{
		"digest":  {core.ImageSpec{Format: "raw", SHA256: digest("this")}, strings.NewReader("that"), fault.DigestMismatch},
		"empty":   {core.ImageSpec{Format: "kernel"}, strings.NewReader(""), fault.InvalidField},
		"format":  {core.ImageSpec{Format: "qcow2"}, strings.NewReader("no qcow2"), fault.InvalidField},
		"cut off": {core.ImageSpec{Format: "raw"}, broken, fault.Bug},
	} {
		t.Run(name, func(t *testing.T) {
			i := w.create("i-"+strings.ReplaceAll(name, " ", ""), c.spec)
			if _, err := w.Upload(t.Context(), "alice", i.ID, c.content); fault.ReasonOf(err) != c.reason {
				t.Errorf("Upload = %v, want %s", err, c.reason)
			}
			if got := w.files(); len(got) != 0 {
				t.Errorf("left behind: %v", got)
			}
			if i, err := w.Get(t.Context(), "alice", i.ID); err != nil || i.Status.State != core.ImageWaiting {
				t.Errorf("image = %+v, %v", i, err)
			}
		})
	}
	if _, err := w.upload("moon", "x"); fault.ReasonOf(err) != fault.UnknownResource {
		t.Errorf("unknown image: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.create("gone", core.ImageSpec{Format: "raw"})
	cancelling := io.MultiReader(strings.NewReader("x"), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }))
	if _, err := w.Upload(ctx, "alice", "gone", cancelling); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled upload: %v", err)
	}
	if got := w.files(); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestUploadOnlyOnce(t *testing.T) {
	w := newWorld(t)
	w.create("race", core.ImageSpec{Format: "raw"})
	var wait sync.WaitGroup
	results := make([]error, 8)
	for n := range results {
		wait.Go(func() { _, results[n] = w.upload("race", fmt.Sprint("content ", n)) })
	}
	wait.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if fault.ReasonOf(err) != fault.BadState {
			t.Errorf("loser got %v", err)
		}
	}
	i, err := w.Get(t.Context(), "alice", "race")
	if err != nil || won != 1 || !slices.Equal(w.files(), []string{i.Status.SHA256}) {
		t.Errorf("%d won, image %+v, files %v, %v", won, i.Status, w.files(), err)
	}
}

func TestCreateRefuses(t *testing.T) {
	w := newWorld(t)
	w.create("taken", core.ImageSpec{Format: "raw"})
	for name, c := range map[string]struct {
		project, name string
		spec          core.ImageSpec
		reason        fault.Reason
	}{
		"project": {"carol", "x", core.ImageSpec{Format: "raw"}, fault.UnknownResource},
		"taken":   {"alice", "taken", core.ImageSpec{Format: "raw"}, fault.NameTaken},
		"name":    {"alice", "X", core.ImageSpec{Format: "raw"}, fault.InvalidField},
		"format":  {"alice", "x", core.ImageSpec{Format: "iso"}, fault.InvalidField},
		"digest":  {"alice", "x", core.ImageSpec{Format: "raw", SHA256: strings.Repeat("A", 64)}, fault.InvalidField},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.Create(t.Context(), c.project, core.New{Name: c.name}, c.spec); fault.ReasonOf(err) != c.reason {
				t.Errorf("Create = %v, want %s", err, c.reason)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"one", "two", "waiting"} {
		w.create(name, core.ImageSpec{Format: "raw"})
	}
	for _, name := range []string{"one", "two"} {
		if _, err := w.upload(name, "shared"); err != nil {
			t.Fatal(err)
		}
	}
	user := core.Instance{
		Meta: core.New{Name: "web"}.Meta(cloudtest.NewID(), cloudtest.Now), Project: w.alice.ID,
		Spec: core.InstanceSpec{Image: "other", Initrd: "one"},
	}
	w.Update(func(tx core.Tx) error { return tx.Instances().Insert(user) })
	if err := w.Delete(t.Context(), "alice", "one"); fault.ReasonOf(err) != fault.HasChildren || !strings.Contains(err.Error(), "instance web") {
		t.Errorf("Delete = %v, want has_children naming the instance", err)
	}
	w.Update(func(tx core.Tx) error { return tx.Instances().Delete(user.ID) })
	for _, c := range []struct {
		name  string
		files int
	}{{"waiting", 1}, {"one", 1}, {"two", 0}} {
		if err := w.Delete(t.Context(), "alice", c.name); err != nil {
			t.Fatal(err)
		}
		if got := w.files(); len(got) != c.files {
			t.Errorf("after %s went: files = %v, want %d", c.name, got, c.files)
		}
	}
}

func TestRestartSweeps(t *testing.T) {
	w := newWorld(t)
	w.create("kept", core.ImageSpec{Format: "raw"})
	if _, err := w.upload("kept", "kept"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"part-1234", digest("orphan"), "notes.txt"} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.restart()
	want := []string{digest("kept"), "notes.txt"}
	slices.Sort(want)
	if got := w.files(); !slices.Equal(got, want) {
		t.Errorf("files = %v, want %v", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	w := newWorld(t)
	if err := os.WriteFile(filepath.Join(w.dir, "..", "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{digest("nothing"), "../secret", "", "."} {
		if _, err := w.Open(t.Context(), ref, 0); fault.ReasonOf(err) != fault.UnknownResource {
			t.Errorf("Open(%q) = %v, want unknown_resource", ref, err)
		}
	}
}
