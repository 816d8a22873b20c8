// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestReadQCOW2(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name   string
		args   []string // of qemu-img create
		want   qcow2Header
		refuse bool // as an image from outside
	}{
		{"plain", []string{"plain", "3M"}, qcow2Header{VirtualSize: 3 << 20}, false},
		{"version 2", []string{"-o", "compat=0.10", "version2", "3M"}, qcow2Header{VirtualSize: 3 << 20}, false},
		{"with a backing file", []string{"-b", "plain", "-F", "qcow2", "backed"}, qcow2Header{VirtualSize: 3 << 20, BackingFile: "plain"}, true},
		{"with a backing file in version 2", []string{"-o", "compat=0.10", "-b", "/etc/passwd", "-u", "-F", "raw", "backed2", "1M"},
			qcow2Header{VirtualSize: 1 << 20, BackingFile: "/etc/passwd"}, true},
		{"with external data", []string{"-o", "data_file=" + filepath.Join(dir, "data"), "external", "1M"},
			qcow2Header{VirtualSize: 1 << 20, ExternalData: true}, true},
		// Not LUKS: its creation measures the CPU's speed, and fails where the clock of CPU time is too coarse to.
		{"encrypted", []string{"--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s", "secret", "1M"},
			qcow2Header{VirtualSize: 1 << 20, Encrypted: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command("qemu-img", append([]string{"create", "-q", "-f", "qcow2"}, c.args...)...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			name := c.args[len(c.args)-1]
			if name[0] >= '0' && name[0] <= '9' {
				name = c.args[len(c.args)-2]
			}
			f, err := os.Open(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := readQCOW2(f)
			if err != nil || got != c.want {
				t.Errorf("readQCOW2 = %+v, %v, want %+v", got, err, c.want)
			}
			if err := got.standsAlone(); (err != nil) != c.refuse {
				t.Errorf("standsAlone = %v", err)
			}
		})
	}
}

// header is a qcow2 image of version 3, as much as matters.
func header(change func([]byte)) []byte {
	h := make([]byte, 256)
	binary.BigEndian.PutUint32(h, qcow2Magic)
	binary.BigEndian.PutUint32(h[4:], 3)
	binary.BigEndian.PutUint32(h[100:], qcow2HeaderV3)
	change(h)
	return h
}

func TestReadQCOW2Damaged(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty":                     nil,
		"short":                     header(func([]byte) {})[:50],
		"version 3, cut off":        header(func([]byte) {})[:80],
		"another format":            bytes.Repeat([]byte("x"), 512),
		"version 4":                 header(func(h []byte) { binary.BigEndian.PutUint32(h[4:], 4) }),
		"a size beyond everything":  header(func(h []byte) { binary.BigEndian.PutUint64(h[24:], 1<<63) }),
		"a header without length":   header(func(h []byte) { binary.BigEndian.PutUint32(h[100:], 0) }),
		"a backing name beyond end": header(func(h []byte) { binary.BigEndian.PutUint64(h[8:], 1<<40); h[19] = 9 }),
		"a backing name of nothing": header(func(h []byte) { h[15] = 200 }),
	} {
		if _, err := readQCOW2(bytes.NewReader(content)); !errors.Is(err, errNotQCOW2) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadQCOW2(f *testing.F) {
	f.Add(header(func([]byte) {}))
	f.Add(header(func(h []byte) { h[15], h[19] = 128, 9 }))
	f.Add(header(func(h []byte) { binary.BigEndian.PutUint32(h[104:], qcow2DataFileName) }))
	f.Fuzz(func(t *testing.T, content []byte) {
		h, err := readQCOW2(bytes.NewReader(content))
		if err == nil && (h.VirtualSize < 0 || len(h.BackingFile) > qcow2MaxBacking) {
			t.Errorf("accepted %+v", h)
		}
	})
}
