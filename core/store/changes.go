// SPDX-License-Identifier: Apache-2.0

package store

import "sync"

// changes wakes everyone who waits for the next commit. Nobody who does not wait is waited for.
type changes struct {
	mu   sync.Mutex
	wait chan struct{}
}

func newChanges() *changes { return &changes{wait: make(chan struct{})} }

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wait
}

func (c *changes) broadcast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.wait)
	c.wait = make(chan struct{})
}
