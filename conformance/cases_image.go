// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// imageSize is enough for several messages.
const imageSize = 2<<20 + 512

func imageCases() []Case {
	images := wire.CapabilityImages
	return []Case{
		{
			ID: "IMAGE-PUT-001", Level: Must, Needs: images,
			Title:    "Content comes in pieces",
			Sentence: "PutImage MUST go on from the offset that GetImage told, also in a new process.",
			Fix:      "Keep the part in a file named by its digest, and report its length as offset_bytes.",
			Catches:  []string{"forgets images in part"},
			Run:      putInPieces,
		},
		{
			ID: "IMAGE-PUT-002", Level: Must, Needs: images,
			Title:    "Content with another digest is refused",
			Sentence: "Content MUST count as there only after its digest was checked: DATA_LOSS, DIGEST_MISMATCH otherwise, and the part is removed.",
			Fix:      "Write to a name that nobody uses, compute SHA-256 over the whole, and rename; remove what does not match.",
			Catches:  []string{"keeps what it refused", "believes any content"},
			Run:      putWrongDigest,
		},
		{
			ID: "IMAGE-PUT-003", Level: Must, Needs: images,
			Title:    "Content that does not join on is refused",
			Sentence: "Content that begins elsewhere than at the offset that GetImage told MUST be refused with FAILED_PRECONDITION, BAD_STATE.",
			Fix:      "Compare offset_bytes of the header with the length of what is there.",
			Catches:  []string{"fills gaps with zeros", "takes content from anywhere"},
			Run:      putWrongOffset,
		},
		{
			ID: "IMAGE-PUT-004", Level: Must, Needs: images,
			Title:    "A disk that names another file is refused",
			Sentence: "qcow2 content that names another file MUST be refused with INVALID_ARGUMENT, INVALID_FIELD: it would give an instance somebody else's data.",
			Fix:      "Read the qcow2 header: no backing file, no external data file.",
			Catches:  []string{"opens backing files"},
			Run:      putBackingFile,
		},
		{
			ID: "IMAGE-DELETE-001", Level: Must, Needs: images,
			Title:    "What an instance stands on is not deleted",
			Sentence: "DeleteImage MUST refuse what an instance still stands on with FAILED_PRECONDITION, IN_USE.",
			Fix:      "Look through the instances in the backend for one that uses the digest.",
			Catches:  []string{"deletes what is used"},
			Run:      deleteUsed,
		},
		{
			ID: "IMAGE-MISSING-001", Level: Must, Needs: images,
			Title:    "An instance without its image is refused",
			Sentence: "An instance or a volume whose image content is not there MUST be refused or fail with FAILED_PRECONDITION, IMAGE_MISSING.",
			Fix:      "Look for the content first: the core pushes it and repeats the Apply.",
			Catches:  []string{"misses something else", "makes instances of nothing"},
			Run:      imageMissing,
		},
	}
}

// freshImage is content that nobody has.
func (s *Session) freshImage() (provider.ImageRef, []byte) {
	content := bytes.Repeat([]byte(s.runner.NewID()+"\n"), imageSize/37+1)[:imageSize]
	return refOf(content, provider.ImageRaw), content
}

func (s *Session) put(ctx context.Context, ref provider.ImageRef, offset int64, content []byte) (provider.Image, error) {
	return s.client.PutImage(ctx, ref, offset, bytes.NewReader(content))
}

// ensureImage puts content, unless it is there.
func (s *Session) ensureImage(ctx context.Context, ref provider.ImageRef, content []byte) error {
	there, err := s.client.GetImage(ctx, ref.SHA256)
	if err != nil && !errors.Is(err, &fault.Error{Reason: fault.NoSuchObject}) {
		return err
	}
	if !there.Ready {
		_, err = s.put(ctx, ref, there.OffsetBytes, content[there.OffsetBytes:])
		return err
	}
	return nil
}

// imageAbsent checks that nothing is there of an image, not even a part.
func (s *Session) imageAbsent(ctx context.Context, ref provider.ImageRef) error {
	_, err := s.client.GetImage(ctx, ref.SHA256)
	return reason("get of an image that is not there", err, fault.NoSuchObject)
}

func putInPieces(ctx context.Context, s *Session) error {
	ref, content := s.freshImage()
	if err := s.imageAbsent(ctx, ref); err != nil {
		return err
	}
	half := int64(len(content) / 2)
	if _, err := s.put(ctx, ref, 0, content[:half]); err != nil {
		return fmt.Errorf("the first half: %w", err)
	}
	there, err := s.client.GetImage(ctx, ref.SHA256)
	if err != nil {
		return err
	}
	if there.Ready || there.OffsetBytes != half {
		return fmt.Errorf("half of it was sent, and there is %+v", there)
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	if err := s.ensureImage(ctx, ref, content); err != nil {
		return fmt.Errorf("the rest, to a new process: %w", err)
	}
	all, err := s.client.ListImages(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(i provider.Image) bool {
		return i.SHA256 == ref.SHA256 && i.Ready && i.OffsetBytes == ref.SizeBytes
	}) {
		return fmt.Errorf("it is not listed as ready: %+v", all)
	}
	if err := s.client.DeleteImage(ctx, ref.SHA256); err != nil {
		return err
	}
	return s.imageAbsent(ctx, ref)
}

func putWrongDigest(ctx context.Context, s *Session) error {
	ref, content := s.freshImage()
	content[len(content)/2] ^= 1
	_, err := s.put(ctx, ref, 0, content)
	return errors.Join(reason("content with another digest", err, fault.DigestMismatch), s.imageAbsent(ctx, ref))
}

func putWrongOffset(ctx context.Context, s *Session) error {
	ref, content := s.freshImage()
	_, gap := s.put(ctx, ref, 4096, content[4096:])
	err := reason("content behind a gap", gap, fault.BadState)
	return errors.Join(err, s.client.DeleteImage(ctx, ref.SHA256), s.imageAbsent(ctx, ref))
}

func putBackingFile(ctx context.Context, s *Session) error {
	content := bytes.Repeat([]byte(s.runner.NewID()), 4096)
	copy(content, "QFI\xfb\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x68\x00\x00\x00\x0b")
	copy(content[0x68:], "/etc/passwd")
	ref := refOf(content, provider.ImageQCOW2)
	_, err := s.put(ctx, ref, 0, content)
	return errors.Join(reason("content that names another file", err, fault.InvalidField), s.imageAbsent(ctx, ref))
}

func deleteUsed(ctx context.Context, s *Session) error {
	if _, err := s.make(ctx, instanceKind(), applyInstance(s.instanceSpec())); err != nil {
		return err
	}
	if err := reason("delete of what is used", s.client.DeleteImage(ctx, s.image.SHA256), fault.InUse); err != nil {
		return err
	}
	there, err := s.client.GetImage(ctx, s.image.SHA256)
	if err == nil && !there.Ready {
		err = errors.New("the image is not ready any more")
	}
	return err
}

func imageMissing(ctx context.Context, s *Session) error {
	ref, _ := s.freshImage()
	spec := s.instanceSpec()
	if spec.Kind == provider.InstanceUnikernel {
		ref.Format = provider.ImageKernel
	}
	spec.Image = ref
	return s.refused(ctx, "an instance whose image is not there", instanceKind(), applyInstance(spec), fault.ImageMissing)
}

func orSucceeded(err error) error {
	if err == nil {
		return errors.New("it succeeded")
	}
	return err
}
