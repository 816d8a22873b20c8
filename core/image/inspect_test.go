// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// header returns a qcow2 header of version 3 with a disk of 1 MiB, changed by the function.
func header(change func([]byte)) []byte {
	h := make([]byte, 112)
	copy(h, qcow2Magic)
	binary.BigEndian.PutUint32(h[4:], 3)
	binary.BigEndian.PutUint64(h[24:], 1<<20)
	change(h)
	return h
}

func TestInspect(t *testing.T) {
	nothing := func([]byte) {}
	for name, c := range map[string]struct {
		format  string
		content []byte
		disk    int64
		says    string // "" for no fault
	}{
		"qcow2":           {"qcow2", header(nothing), 1 << 20, ""},
		"version 2":       {"qcow2", header(func(h []byte) { h[7] = 2 })[:72], 1 << 20, ""},
		"dirty":           {"qcow2", header(func(h []byte) { h[79] = 1 }), 1 << 20, ""},
		"version 4":       {"qcow2", header(func(h []byte) { h[7] = 4 }), 0, "version 4"},
		"backing file":    {"qcow2", header(func(h []byte) { h[15] = 200 }), 0, "backing file"},
		"encrypted":       {"qcow2", header(func(h []byte) { h[35] = 2 }), 0, "encrypted"},
		"external data":   {"qcow2", header(func(h []byte) { h[79] = 4 }), 0, "another file"},
		"corrupt":         {"qcow2", header(func(h []byte) { h[79] = 2 }), 0, "corrupt"},
		"unknown feature": {"qcow2", header(func(h []byte) { h[72] = 0x80 }), 0, "not supported"},
		"no disk":         {"qcow2", header(func(h []byte) { clear(h[24:32]) }), 0, "0 bytes"},
		"endless disk":    {"qcow2", header(func(h []byte) { h[24] = 0xff }), 0, "not the size"},
		"cut off":         {"qcow2", header(nothing)[:50], 0, "cut off"},
		"cut off later":   {"qcow2", header(nothing)[:80], 0, "cut off"},
		"raw as qcow2":    {"qcow2", []byte("MBR"), 0, "not qcow2"},
		"qcow2 as raw":    {"raw", header(nothing), 0, "format qcow2"},
		"qcow2 as kernel": {"kernel", header(nothing), 0, "format qcow2"},
		"raw":             {"raw", make([]byte, 4096), 4096, ""},
		"short raw":       {"raw", []byte("x"), 1, ""},
		"kernel":          {"kernel", []byte("MZ"), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			disk, err := inspect(bytes.NewReader(c.content), c.format, int64(len(c.content)))
			if disk != c.disk || (err == nil) != (c.says == "") {
				t.Fatalf("inspect = %d, %v; want %d and %q", disk, err, c.disk, c.says)
			}
			if err != nil && (fault.ReasonOf(err) != fault.InvalidField || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("fault = %v, want one that says %q", err, c.says)
			}
		})
	}
}

// What qemu-img writes is judged as it is meant.
func TestInspectReadsQEMU(t *testing.T) {
	dir := t.TempDir()
	create := func(name string, args ...string) string {
		path := filepath.Join(dir, name)
		args = append([]string{"create", "-q"}, append(args, path, "8M")...)
		if out, err := exec.CommandContext(t.Context(), "qemu-img", args...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img: %v: %s", err, out)
		}
		return path
	}
	plain := create("plain", "-f", "qcow2")
	for path, good := range map[string]bool{
		plain: true,
		create("old", "-f", "qcow2", "-o", "compat=0.10"):                      true,
		create("packed", "-f", "qcow2", "-o", "compression_type=zstd"):         true,
		create("overlay", "-f", "qcow2", "-b", plain, "-F", "qcow2"):           false,
		create("outside", "-f", "qcow2", "-o", "data_file="+dir+"/other.data"): false,
	} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		disk, err := inspect(f, "qcow2", 0)
		if (err == nil) != good || good && disk != 8<<20 {
			t.Errorf("%s: %d, %v; want good = %v", filepath.Base(path), disk, err, good)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(header(func([]byte) {}))
	f.Add([]byte(qcow2Magic))
	f.Fuzz(func(t *testing.T, content []byte) {
		if disk, err := inspect(bytes.NewReader(content), "qcow2", int64(len(content))); err == nil && disk <= 0 {
			t.Errorf("accepted a disk of %d bytes", disk)
		}
	})
}
