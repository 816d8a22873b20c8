// SPDX-License-Identifier: Apache-2.0

package pluginhost

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

const (
	// dataWithin is how long a provider may take to open its data connection.
	dataWithin = 15 * time.Second
	// dataIdle is for how long it stays open when nothing goes over it.
	dataIdle = time.Minute
	// uploadStall ends an upload of which nothing was taken, or that was not answered, for so long.
	uploadStall = 10 * time.Minute
	// maxMoved is how often the offset may move between asking and sending.
	maxMoved = 5
)

var errStalled = fault.New(fault.Timeout, "the provider takes no more of the image")

// EnsureImage implements core.ComputeProvider. An upload that broke off goes on where it stopped; while another one
// for the same content runs, it waits for that.
func (c compute) EnsureImage(ctx context.Context, ref provider.ImageRef, open func(offset int64) (io.ReadCloser, error), progress provider.Progress) error {
	if err := c.offers(wire.CapabilityImages); err != nil {
		return err
	}
	for moved := 0; ; {
		there, err := c.link.client.GetImage(ctx, ref.SHA256)
		if err != nil && fault.ReasonOf(err) != fault.NoSuchObject {
			return c.fault(err)
		}
		if there.Ready {
			return nil
		}
		err = c.push(ctx, ref, there.OffsetBytes, open, progress)
		switch fault.ReasonOf(err) {
		case fault.Busy:
		case fault.BadState: // another upload, that broke off, moved the offset meanwhile
			if moved++; moved > maxMoved {
				return err
			}
		default:
			return err
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// push sends content from an offset on.
func (c compute) push(ctx context.Context, ref provider.ImageRef, offset int64, open func(int64) (io.ReadCloser, error), progress provider.Progress) error {
	if offset < 0 || offset > ref.SizeBytes {
		return fault.New(fault.Bug, "provider %s has %d of %d bytes of the image", c.provider.Name, offset, ref.SizeBytes)
	}
	data, err := c.dataClient(ctx)
	if err != nil {
		return c.fault(err)
	}
	content, err := open(offset)
	if err != nil {
		return err
	}
	defer content.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alarm := time.AfterFunc(c.patience(uploadStall), func() { cancel(errStalled) })
	defer alarm.Stop()
	upload := &upload{content: content, sent: offset, size: ref.SizeBytes, alarm: alarm, stall: c.patience(uploadStall), progress: progress}
	_, err = data.PutImage(ctx, ref, offset, upload)
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return c.fault(err)
}

func (c compute) dataClient(ctx context.Context) (*wire.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience(dataWithin))
	defer cancel()
	return c.link.data(ctx)
}

// upload is content on its way.
type upload struct {
	content    io.Reader
	sent, size int64
	alarm      *time.Timer
	stall      time.Duration
	progress   provider.Progress
}

// Read reports how much was taken before.
func (u *upload) Read(p []byte) (int, error) {
	u.alarm.Reset(u.stall)
	if u.progress != nil && u.size > 0 {
		u.progress("copying the image", int(u.sent*100/u.size))
	}
	n, err := u.content.Read(p)
	u.sent += int64(n)
	return n, err
}
