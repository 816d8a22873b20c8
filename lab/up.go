// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/guest"
)

// ErrProof says that a claim of the proof does not hold; the table said which.
var ErrProof = errors.New("the proof does not hold")

// Up makes the lab and proves it. A lab that stands is proved again; one that is half made, or lost a machine, is made
// anew.
func (l *Lab) Up(ctx context.Context) error {
	release, err := l.lock()
	if err != nil {
		return err
	}
	defer release()
	standing, err := l.stands(ctx)
	if err != nil {
		return err
	}
	if standing {
		l.Progress.Say("the lab stands already in %s: proving it again", l.Dir)
		return l.finish(ctx)
	}
	if err := l.clear(ctx); err != nil {
		return err
	}
	if err := l.build(ctx); err != nil {
		return fmt.Errorf("%w\nwhat was made so far is kept, logs are in %s/*/log; repair and run `rhyzome lab up` again, or remove it with `rhyzome lab down`", err, l.Dir)
	}
	return l.finish(ctx)
}

// build makes everything in order; what stands on something comes after it.
func (l *Lab) build(ctx context.Context) error {
	var (
		images guest.Images
		nets   segments
	)
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"guest images", func(ctx context.Context) (err error) {
			images, err = guest.Build(ctx, l.dir(guestDir), slog.New(slog.DiscardHandler))
			return err
		}},
		{"KVM or emulation", func(ctx context.Context) error { return l.chooseAccelerator(ctx, images) }},
		{"segments: trunk, wan, mgmt, home", func(ctx context.Context) (err error) { nets, err = l.makeSegments(ctx); return err }},
		{"core", func(ctx context.Context) error { return l.makeCore(ctx, nets) }},
		{"hypervisor hv1", func(ctx context.Context) error { return l.makeHypervisor(ctx, hv1Name, hv1OnMgmt, nets) }},
		{"hypervisor hv2", func(ctx context.Context) error { return l.makeHypervisor(ctx, hv2Name, hv2OnMgmt, nets) }},
		{"router behind a NAT", func(ctx context.Context) error { return l.makeRouter(ctx, nets) }},
		{"project alice", func(ctx context.Context) error { return l.makeProject(ctx, Alice, images) }},
		{"project bob", func(ctx context.Context) error { return l.makeProject(ctx, Bob, images) }},
		{"instances", l.makeInstances},
		{"laptop", func(ctx context.Context) error { return l.makeLaptop(ctx, nets) }},
		{"unikernel", l.makeUnikernel},
	}
	for _, s := range steps {
		if err := l.Progress.Step(ctx, s.name, s.do); err != nil {
			return err
		}
	}
	return nil
}

// chooseAccelerator finds out how guests run. A /dev/kvm alone says little: in a virtual machine it may be there, and fail.
func (l *Lab) chooseAccelerator(ctx context.Context, images guest.Images) error {
	err := guest.KVM(ctx, images)
	l.kvm = err == nil
	if l.kvm {
		l.Progress.Say("guests run by KVM")
	} else {
		l.Progress.Say("guests run by emulation: %v", err)
	}
	return ctx.Err()
}

// finish proves what was built, and tells what there is. Only a lab whose proof held is complete: the next Up makes any
// other anew.
func (l *Lab) finish(ctx context.Context) error {
	l.record.Complete = false
	if err := l.record.write(l.Dir); err != nil {
		return err
	}
	if err := l.Progress.Step(ctx, "proof", l.Prove); err != nil {
		return err
	}
	l.record.Complete = true
	if len(l.record.Steps) == 0 {
		l.record.Steps = l.Progress.Steps()
	}
	if err := l.record.write(l.Dir); err != nil {
		return err
	}
	_, err := l.Status(ctx, l.out)
	return err
}

// Prove measures every claim and prints the table: ErrProof if one does not hold.
func (l *Lab) Prove(ctx context.Context) error {
	if _, built := l.record.promise(Alice, "uni1"); !built {
		return errors.New("there is no whole lab to prove: run `rhyzome lab up`")
	}
	proof, err := l.Verify(ctx)
	if proof != nil {
		fmt.Fprintln(l.out)
		err = errors.Join(err, proof.Print(l.out))
		fmt.Fprintln(l.out)
	}
	if err != nil {
		return err
	}
	if !proof.Holds() {
		return ErrProof
	}
	return nil
}

type segments struct{ trunk, wan, mgmt, home *fabric.Segment }

func (l *Lab) makeSegments(ctx context.Context) (s segments, err error) {
	for name, to := range map[string]**fabric.Segment{
		trunkName: &s.trunk, wanName: &s.wan, mgmtName: &s.mgmt, homeName: &s.home,
	} {
		if *to, err = fabric.StartSegment(ctx, name, l.dir(name)); err != nil {
			return s, err
		}
	}
	return s, nil
}
