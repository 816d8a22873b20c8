// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// The parts of a qcow2 header that matter here; see docs/interop/qcow2.txt of QEMU.
const (
	qcow2Magic   = "QFI\xfb"
	qcow2Dirty   = 1 << 0 // reference counts are not right, QEMU repairs them
	qcow2Data    = 1 << 2 // the data lies in another file
	qcow2Packing = 1 << 3 // compression type
	qcow2Wide    = 1 << 4 // extended L2 entries
	qcow2Known   = qcow2Dirty | qcow2Packing | qcow2Wide
	qcow2Length  = 104 // of the header of version 3; version 2 has 72
)

// inspect returns the size of the disk that content holds, 0 for kernels and initrds. It refuses content that is not
// of the format, and qcow2 content that names another file: a host would open that file for the guest.
func inspect(content io.ReaderAt, format string, size int64) (int64, error) {
	header := make([]byte, qcow2Length)
	n, err := content.ReadAt(header, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read the image's header: %w", err)
	}
	isQCOW2 := bytes.HasPrefix(header[:n], []byte(qcow2Magic))
	switch {
	case format == "qcow2" && !isQCOW2:
		return 0, refuse("the content is not qcow2; create an image of format raw, or convert it with qemu-img")
	case format == "qcow2":
		return inspectQCOW2(header[:n])
	case isQCOW2:
		return 0, refuse("the content is qcow2; create an image of format qcow2 for it")
	case format == "raw":
		return size, nil
	}
	return 0, nil
}

func inspectQCOW2(header []byte) (int64, error) {
	if len(header) < 72 {
		return 0, refuse("the qcow2 header is cut off; upload the whole file")
	}
	version := binary.BigEndian.Uint32(header[4:])
	backing := binary.BigEndian.Uint64(header[8:])
	disk := binary.BigEndian.Uint64(header[24:])
	crypt := binary.BigEndian.Uint32(header[32:])
	switch {
	case version != 2 && version != 3:
		return 0, refuse("qcow2 version %d is not supported; convert it with qemu-img", version)
	case backing != 0:
		return 0, refuse("it names a backing file; flatten it with qemu-img convert -O qcow2")
	case crypt != 0:
		return 0, refuse("it is encrypted; convert it with qemu-img to one that is not")
	case disk == 0 || disk > 1<<62:
		return 0, refuse("its disk has %d bytes; that is not the size of a disk", disk)
	}
	if version == 2 {
		return int64(disk), nil
	}
	if len(header) < qcow2Length {
		return 0, refuse("the qcow2 header is cut off; upload the whole file")
	}
	switch features := binary.BigEndian.Uint64(header[72:]); {
	case features&qcow2Data != 0:
		return 0, refuse("its data lies in another file; join them with qemu-img convert -O qcow2")
	case features&^uint64(qcow2Known) != 0:
		return 0, refuse("it is corrupt, or has features that are not supported; convert it with qemu-img")
	}
	return int64(disk), nil
}

func refuse(format string, args ...any) error {
	return fault.Invalid("/content", format, args...)
}
