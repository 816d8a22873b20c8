// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/conformance"
	"github.com/rhyzome/rhyzome/sdk/attach"
)

func params(t *testing.T) conformance.Params {
	return conformance.Params{
		Config:  map[string]any{"state_file": filepath.Join(t.TempDir(), "backend.json"), "step_delay_ms": 10},
		Timeout: 30 * time.Second,
	}
}

func TestAChildIsConformant(t *testing.T) {
	t.Parallel()
	conformance.TestProfile(t, conformance.Extended, &conformance.Child{Path: os.Args[0], AutoMTLS: true}, params(t))
}

func TestAnAttachedProviderIsConformant(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	conformance.TestProfile(t, conformance.Extended, &conformance.Attached{Path: os.Args[0], Address: "127.0.0.1:0", Dir: t.TempDir(), Stderr: &log}, params(t))
}

// The suite attaches providers; what is between makes of its attach port one that dials a provider that listens.
func TestAListeningProviderIsConformant(t *testing.T) {
	t.Parallel()
	port, listening := freeAddress(t), freeAddress(t)
	program := filepath.Join(t.TempDir(), "provider")
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in attach) exec %q listen --address %s;; *) exec %q \"$@\";; esac\n", os.Args[0], listening, os.Args[0])
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	out := attach.NewOutbound(t.Context(), listening)
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			near, err := out.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", port)
			if err != nil {
				near.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				carrying.Go(func() {
					io.Copy(way[0], way[1])
					way[0].Close()
					way[1].Close()
				})
			}
		}
	})
	defer carrying.Wait()
	defer out.Close()
	var log bytes.Buffer
	target := &conformance.Attached{Path: program, Address: port, Dir: t.TempDir(), Stderr: &log}
	conformance.Test(t, target, params(t))
	if t.Failed() {
		t.Log(log.String())
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
