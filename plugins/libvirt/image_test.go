// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// configured returns a provider with an empty directory and nothing at the other end.
func configured(t *testing.T) (*Provider, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	text, err := json.Marshal(map[string]any{"uri": "qemu:///system?socket=" + dir + "/none", "data_dir": dir, "host": map[string]string{"id": "h"}})
	if err != nil {
		t.Fatal(err)
	}
	p := New()
	if err := p.Configure(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	return p, dir
}

func refOf(content string, format provider.ImageFormat) provider.ImageRef {
	sum := sha256.Sum256([]byte(content))
	return provider.ImageRef{SHA256: hex.EncodeToString(sum[:]), Format: format, SizeBytes: int64(len(content))}
}

// files lists the image directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestPutImageGoesOnWhereItBrokeOff(t *testing.T) {
	p, _ := configured(t)
	content := strings.Repeat("0123456789", 100_000)
	ref := refOf(content, provider.ImageRaw)
	if _, err := p.GetImage(t.Context(), ref.SHA256); fault.ReasonOf(err) != fault.NoSuchObject {
		t.Fatalf("GetImage of nothing: %v", err)
	}
	broken := io.MultiReader(strings.NewReader(content[:300_000]), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := p.PutImage(t.Context(), ref, 0, broken); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("a transfer that breaks off: %v", err)
	}
	again := New() // a new process finds it
	again.backend.Store(p.backend.Load())
	part, err := again.GetImage(t.Context(), ref.SHA256)
	if err != nil || part.Ready || part.OffsetBytes != 300_000 || part.ImageRef != ref {
		t.Fatalf("GetImage = %+v, %v", part, err)
	}
	if _, err := again.PutImage(t.Context(), ref, 0, strings.NewReader(content)); fault.ReasonOf(err) != fault.BadState {
		t.Errorf("content from the wrong offset: %v", err)
	}
	more, err := again.PutImage(t.Context(), ref, 300_000, strings.NewReader(content[300_000:400_000]))
	if err != nil || more.Ready || more.OffsetBytes != 400_000 {
		t.Fatalf("PutImage of a piece = %+v, %v", more, err)
	}
	whole, err := again.PutImage(t.Context(), ref, 400_000, strings.NewReader(content[400_000:]))
	if err != nil || !whole.Ready || whole.OffsetBytes != ref.SizeBytes {
		t.Fatalf("PutImage = %+v, %v", whole, err)
	}
	if all, err := again.ListImages(t.Context()); err != nil || len(all) != 1 || all[0] != whole {
		t.Errorf("ListImages = %+v, %v", all, err)
	}
	if repeated, err := again.PutImage(t.Context(), ref, 0, strings.NewReader("")); err != nil || repeated != whole {
		t.Errorf("PutImage of what is there = %+v, %v", repeated, err)
	}
}

func TestPutImageRefuses(t *testing.T) {
	plain := string(header(func([]byte) {}))
	backed := string(header(func(h []byte) { h[15], h[19] = 128, 9; copy(h[128:], "/etc/passwd") }))
	external := string(header(func(h []byte) { h[79] = qcow2ExternalData }))
	for _, c := range []struct {
		name    string
		ref     provider.ImageRef
		content string
		want    fault.Reason
	}{
		{"other content", refOf("one", provider.ImageRaw), "two", fault.DigestMismatch},
		{"too much", refOf("one", provider.ImageRaw), "one more", fault.DigestMismatch},
		{"a size that is a lie", provider.ImageRef{SHA256: refOf("one", provider.ImageRaw).SHA256, Format: provider.ImageRaw, SizeBytes: 2}, "one", fault.DigestMismatch},
		{"not a qcow2", refOf("one", provider.ImageQCOW2), "one", fault.InvalidField},
		{"a backing file", refOf(backed, provider.ImageQCOW2), backed, fault.InvalidField},
		{"external data", refOf(external, provider.ImageQCOW2), external, fault.InvalidField},
		{"an unknown format", refOf("one", "vmdk"), "one", fault.InvalidField},
		{"a digest that is a path", provider.ImageRef{SHA256: "../../x", Format: provider.ImageRaw, SizeBytes: 1}, "x", fault.InvalidField},
		{"nothing", refOf("", provider.ImageRaw), "", fault.InvalidField},
		{"a good one", refOf(plain, provider.ImageQCOW2), plain, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, dir := configured(t)
			_, err := p.PutImage(t.Context(), c.ref, 0, strings.NewReader(c.content))
			if fault.ReasonOf(err) != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
			if left := files(t, dir); c.want != "" && len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestPutImageOneAtATime(t *testing.T) {
	p, _ := configured(t)
	ref := refOf("content", provider.ImageRaw)
	slow, feed := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := p.PutImage(context.Background(), ref, 0, slow)
		done <- err
	}()
	if _, err := feed.Write([]byte("con")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.PutImage(t.Context(), ref, 3, strings.NewReader("tent")); fault.ReasonOf(err) != fault.Busy {
		t.Errorf("a second writer: %v", err)
	}
	if _, err := feed.Write([]byte("tent")); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPutImageStopsWithItsContext(t *testing.T) {
	p, dir := configured(t)
	ref := refOf("content", provider.ImageRaw)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.PutImage(ctx, ref, 0, strings.NewReader("content")); !errors.Is(err, context.Canceled) {
		t.Errorf("PutImage = %v", err)
	}
	if left := files(t, dir); len(left) != 2 {
		t.Errorf("to go on later there should be a part and its reference: %v", left)
	}
}
