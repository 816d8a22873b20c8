// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	virt "libvirt.org/go/libvirt"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// How libvirtd is called again after it could not be reached, and how soon its silence is noticed.
const (
	firstRetry        = 100 * time.Millisecond
	lastRetry         = 5 * time.Second
	keepaliveSeconds  = 5
	keepaliveAttempts = 3
)

// connection keeps a link to libvirtd, makes a new one when that is lost, and between attempts says at once that there is
// none.
type connection struct {
	uri string
	now func() time.Time

	mu       sync.Mutex
	current  *link
	dialing  chan struct{} // closed when the attempt that runs has ended; nil if none runs
	failure  error         // of the last attempt
	failures int           // in a row
	retryAt  time.Time
	closed   bool
}

func newConnection(uri string, now func() time.Time) *connection {
	return &connection{uri: uri, now: now}
}

// use returns the link, which the caller must release. fault.BackendDown if there is none.
func (c *connection) use(ctx context.Context) (*link, error) {
	for {
		l, dialing, err := c.tryUse()
		if l != nil || err != nil {
			return l, err
		}
		select {
		case <-dialing:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryUse returns the link, or the attempt to wait for, or the failure of the last one.
func (c *connection) tryUse() (*link, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && c.current.isLost() {
		slog.Warn("the connection to libvirtd was lost", "uri", c.uri)
		c.current.release()
		c.current = nil
	}
	switch {
	case c.closed:
		return nil, nil, fault.New(fault.BackendDown, "the provider has other settings now")
	case c.current != nil:
		c.current.hold()
		return c.current, nil, nil
	case c.dialing != nil:
		return nil, c.dialing, nil
	case c.now().Before(c.retryAt):
		return nil, nil, c.failure
	}
	c.dialing = make(chan struct{})
	go c.dial()
	return nil, c.dialing, nil
}

// dial makes an attempt. It takes as long as libvirtd likes.
func (c *connection) dial() {
	l, err := newLink(c.uri)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.dialing)
	c.dialing = nil
	switch {
	case err != nil:
		c.failure = classify(err)
		wait := min(firstRetry<<min(c.failures, 10), lastRetry)
		c.retryAt = c.now().Add(wait/2 + rand.N(wait/2))
		c.failures++
	case c.closed:
		l.release()
	default:
		c.current, c.failures = l, 0
		slog.Info("connected to libvirtd", "uri", c.uri)
	}
}

// close ends the link when its last user has released it.
func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.current != nil {
		c.current.end() // for those who wait for events
		c.current.release()
		c.current = nil
	}
}

// link is one connection. It is closed when its last holder has released it: libvirt does not forgive the use of a closed
// one.
type link struct {
	*virt.Connect
	lost chan struct{}          // closed when libvirtd is gone, or not ours any more
	end  func()                 // closes lost
	kind func() (string, error) // the type of domains here; asked once

	mu      sync.Mutex
	holders int
}

func newLink(uri string) (*link, error) {
	if err := startEventLoop(); err != nil {
		return nil, err
	}
	conn, err := virt.NewConnect(uri)
	if err != nil {
		return nil, err
	}
	l := &link{Connect: conn, lost: make(chan struct{}), holders: 1}
	l.end = sync.OnceFunc(func() { close(l.lost) })
	l.kind = sync.OnceValues(l.findDomainType)
	err = conn.RegisterCloseCallback(func(*virt.Connect, virt.ConnectCloseReason) { l.end() })
	if err == nil {
		err = conn.SetKeepAlive(keepaliveSeconds, keepaliveAttempts)
	}
	if err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

func (l *link) isLost() bool {
	select {
	case <-l.lost:
		return true
	default:
	}
	alive, err := l.IsAlive()
	return err != nil || !alive
}

func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holders++
}

func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holders--; l.holders > 0 {
		return
	}
	unregistered := l.UnregisterCloseCallback() // it holds the connection too
	_, closed := l.Close()
	if err := errors.Join(unregistered, closed); err != nil {
		slog.Debug("closing a connection to libvirtd", "error", err)
	}
}

// explain classifies an error of a call on this link: whatever libvirt says, a lost link is the reason.
func (l *link) explain(err error) error {
	var e virt.Error
	if errors.As(err, &e) && l.isLost() {
		return &fault.Error{Code: fault.BackendDown.Code(), Reason: fault.BackendDown, Message: "libvirtd went away: " + e.Message, Err: err}
	}
	return classify(err)
}

// startEventLoop runs libvirt's event loop, which notices lost connections and carries events. libvirt has one for each
// process, and it cannot be ended.
var startEventLoop = sync.OnceValue(func() error {
	if err := virt.EventRegisterDefaultImpl(); err != nil {
		return err
	}
	go func() {
		for {
			if err := virt.EventRunDefaultImpl(); err != nil {
				slog.Error("libvirt's event loop", "error", err)
				time.Sleep(time.Second)
			}
		}
	}()
	return nil
})
