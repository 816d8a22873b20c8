// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestImageInPieces(t *testing.T) {
	client := configured(t, memory.NewBackend(), patient)
	content := strings.Repeat("0123456789abcdef", 200_000) // more than three messages
	ref := provider.ImageRef{SHA256: sum(content), Format: provider.ImageRaw, SizeBytes: int64(len(content))}
	_, err := client.GetImage(t.Context(), ref.SHA256)
	wants(t, "Get of nothing", err, fault.NoSuchObject)

	_, err = client.PutImage(t.Context(), ref, 0, failing{strings.NewReader(content[:2_000_000])})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the reader's own error was lost: %v", err)
	}
	var there provider.Image
	await(t, "a part", func() bool {
		there, err = client.GetImage(t.Context(), ref.SHA256)
		return err == nil && there.OffsetBytes > 0
	})
	if there.Ready || there.OffsetBytes > 2_000_000 {
		t.Fatalf("there is %+v", there)
	}
	_, err = client.PutImage(t.Context(), ref, there.OffsetBytes+1, strings.NewReader(content[there.OffsetBytes+1:]))
	wants(t, "a gap", err, fault.BadState)
	done, err := client.PutImage(t.Context(), ref, there.OffsetBytes, strings.NewReader(content[there.OffsetBytes:]))
	if err != nil || !done.Ready || done.OffsetBytes != ref.SizeBytes {
		t.Fatalf("Put = %+v, %v", done, err)
	}
	again, err := client.PutImage(t.Context(), ref, 0, strings.NewReader(content))
	if err != nil || !again.Ready {
		t.Errorf("Put of what is there = %+v, %v", again, err)
	}
	if all, err := client.ListImages(t.Context()); err != nil || len(all) != 1 || !all[0].Ready {
		t.Errorf("List = %+v, %v", all, err)
	}
}

func TestImageIsRefused(t *testing.T) {
	client := configured(t, memory.NewBackend(), patient)
	put := func(ref provider.ImageRef, offset int64, content string) error {
		_, err := client.PutImage(t.Context(), ref, offset, strings.NewReader(content))
		return err
	}
	wrong := imageRef
	wrong.SHA256 = sum("something else")
	wants(t, "wrong digest", put(wrong, 0, imageContent), fault.DigestMismatch)
	_, err := client.GetImage(t.Context(), wrong.SHA256)
	wants(t, "what was wrong", err, fault.NoSuchObject)
	wants(t, "too long", put(imageRef, 0, imageContent+"!"), fault.InvalidField)
	wants(t, "negative offset", put(imageRef, -1, imageContent), fault.InvalidField)
	wants(t, "offset behind the end", put(imageRef, imageRef.SizeBytes+1, ""), fault.InvalidField)
	wants(t, "no digest", put(provider.ImageRef{SHA256: "x", SizeBytes: 1}, 0, "x"), fault.InvalidField)
	backed := bytes.Repeat([]byte{0}, 64)
	copy(backed, "QFI\xfb\x00\x00\x00\x03")
	backed[15] = 32
	wants(t, "a backing file", put(provider.ImageRef{
		SHA256: sum(string(backed)), Format: provider.ImageQCOW2, SizeBytes: int64(len(backed)),
	}, 0, string(backed)), fault.InvalidField)
}

func TestImageInUse(t *testing.T) {
	client := configured(t, memory.NewBackend(), patient)
	spec := instanceSpec()
	_, err := client.ApplyInstance(t.Context(), fence(), spec)
	wants(t, "without its image", err, fault.ImageMissing)
	putImage(t, client)
	_, err = client.ApplyInstance(t.Context(), fence(), spec)
	wants(t, "with its image", err, "")
	wants(t, "Delete of what is used", client.DeleteImage(t.Context(), imageRef.SHA256), fault.InUse)
	_, _, err = client.DeleteInstance(t.Context(), fence(), spec.Tag)
	wants(t, "Delete of the instance", err, "")
	wants(t, "Delete", client.DeleteImage(t.Context(), imageRef.SHA256), "")
	wants(t, "Delete of nothing", client.DeleteImage(t.Context(), imageRef.SHA256), "")
}

// choosy must never be given content that does not join on.
type choosy struct {
	*memory.Compute
	t *testing.T
}

func (c choosy) PutImage(ctx context.Context, ref provider.ImageRef, offset int64, content io.Reader) (provider.Image, error) {
	if offset != 0 {
		c.t.Errorf("content from %d on came through", offset)
	}
	return c.Compute.PutImage(ctx, ref, offset, content)
}

func TestOffsetIsCheckedForTheAuthor(t *testing.T) {
	_, client, _ := serve(t, choosy{memory.NewCompute(memory.NewBackend()), t}, patient)
	configure(t, client)
	_, err := client.PutImage(t.Context(), imageRef, 5, strings.NewReader(imageContent[5:]))
	wants(t, "a gap", err, fault.BadState)
	putImage(t, client)
}
