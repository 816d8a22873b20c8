// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// qcow2Header is what matters of the header of a qcow2 image
// (https://www.qemu.org/docs/master/interop/qcow2.html).
type qcow2Header struct {
	VirtualSize  int64
	BackingFile  string
	ExternalData bool // the content is in another file
	Encrypted    bool
}

var errNotQCOW2 = errors.New("not a qcow2 image")

const (
	qcow2Magic         = 0x514649fb
	qcow2HeaderV2      = 72
	qcow2HeaderV3      = 104
	qcow2MaxBacking    = 1023
	qcow2ExternalData  = 1 << 2     // of the incompatible features
	qcow2DataFileName  = 0x44415441 // type of a header extension
	qcow2MaxExtensions = 64
)

// readQCOW2 reads the header. The image is not trusted: what it says about sizes and offsets is bounded.
func readQCOW2(from io.ReaderAt) (qcow2Header, error) {
	head := make([]byte, qcow2HeaderV3)
	n, err := from.ReadAt(head, 0)
	if n < qcow2HeaderV2 || binary.BigEndian.Uint32(head) != qcow2Magic {
		if err != nil && !errors.Is(err, io.EOF) {
			return qcow2Header{}, err
		}
		return qcow2Header{}, errNotQCOW2
	}
	version := binary.BigEndian.Uint32(head[4:])
	length := uint32(qcow2HeaderV2)
	h := qcow2Header{Encrypted: binary.BigEndian.Uint32(head[32:]) != 0}
	switch {
	case version == 2:
	case version == 3 && n == qcow2HeaderV3:
		h.ExternalData = binary.BigEndian.Uint64(head[72:])&qcow2ExternalData != 0
		length = binary.BigEndian.Uint32(head[100:])
	default:
		return qcow2Header{}, fmt.Errorf("%w of version 2 or 3", errNotQCOW2)
	}
	size := binary.BigEndian.Uint64(head[24:])
	if size>>62 != 0 || length < qcow2HeaderV2 || length > 1<<16 {
		return qcow2Header{}, fmt.Errorf("%w: its header makes no sense", errNotQCOW2)
	}
	h.VirtualSize = int64(size)
	if h.BackingFile, err = readBacking(from, head); err != nil {
		return qcow2Header{}, err
	}
	named, err := namesDataFile(from, int64(length))
	h.ExternalData = h.ExternalData || named
	return h, err
}

func readBacking(from io.ReaderAt, head []byte) (string, error) {
	offset, size := binary.BigEndian.Uint64(head[8:]), binary.BigEndian.Uint32(head[16:])
	if offset == 0 {
		return "", nil
	}
	if size == 0 || size > qcow2MaxBacking || offset>>62 != 0 {
		return "", fmt.Errorf("%w: its backing file makes no sense", errNotQCOW2)
	}
	name := make([]byte, size)
	if _, err := from.ReadAt(name, int64(offset)); err != nil {
		return "", fmt.Errorf("%w: its header is cut off", errNotQCOW2)
	}
	return string(name), nil
}

// namesDataFile looks for the header extension that names an external data file.
func namesDataFile(from io.ReaderAt, at int64) (bool, error) {
	for range qcow2MaxExtensions {
		var extension [8]byte
		_, err := from.ReadAt(extension[:], at)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		switch binary.BigEndian.Uint32(extension[:]) {
		case 0:
			return false, nil
		case qcow2DataFileName:
			return true, nil
		}
		length := int64(binary.BigEndian.Uint32(extension[4:]))
		at += 8 + (length+7)&^7
	}
	return false, fmt.Errorf("%w: its header has no end", errNotQCOW2)
}

// standsAlone reports why an image must not be used as one that came from outside: nothing but its own content may be
// read through it.
func (h qcow2Header) standsAlone() error {
	switch {
	case h.BackingFile != "":
		return errors.New("the image stands on another file, which would be read from the host")
	case h.ExternalData:
		return errors.New("the image keeps its data in another file, which would be read from the host")
	case h.Encrypted:
		return errors.New("the image is encrypted")
	}
	return nil
}
