// SPDX-License-Identifier: Apache-2.0

// Package tail keeps a program's last words, which may say why it does not do what it should.
package tail

import (
	"bytes"
	"sync"
)

// keep is how many bytes.
const keep = 4096

// Tail is a writer of which only the end is kept. It may be used at once by a program that writes and who reads.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-keep):]
	return len(p), nil
}

// String returns the end of what was written, without space around it.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
