// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Cell is one line of the proof: what was expected, and what was measured by packets.
type Cell struct {
	Claim    string `json:"claim"`
	Expected string `json:"expected"`
	Measured string `json:"measured"`
	OK       bool   `json:"ok"`
}

const (
	reachable   = "reachable"
	unreachable = "unreachable"
)

// Proof is the table of all claims.
type Proof struct {
	Cells []Cell `json:"cells"`

	say     func(format string, args ...any)
	settled time.Time // when what comes up had its time
}

// Holds reports whether every claim does, and there are any.
func (p *Proof) Holds() bool {
	return len(p.Cells) > 0 && !slices.ContainsFunc(p.Cells, func(c Cell) bool { return !c.OK })
}

// Print writes the table.
func (p *Proof) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tCLAIM\tEXPECTED\tMEASURED")
	for _, c := range p.Cells {
		mark := "ok"
		if !c.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", mark, c.Claim, c.Expected, c.Measured)
	}
	return t.Flush()
}

func (p *Proof) add(claim, expected, measured string, ok bool) {
	p.Cells = append(p.Cells, Cell{Claim: claim, Expected: expected, Measured: measured, OK: ok})
	mark := "ok  "
	if !ok {
		mark = "FAIL"
	}
	p.say("%s %s: %s", mark, claim, measured)
}

// equal claims that a measured value is the expected one.
func (p *Proof) equal(claim, expected, measured string) {
	p.add(claim, expected, measured, expected == measured)
}

// reaches claims that a probe from a place succeeds, and that its output contains what it should. Guests and tunnels
// may still be coming up: it is repeated until they had their time.
func (p *Proof) reaches(ctx context.Context, from place, to, probe, contains string) error {
	for {
		out, ok, err := from.run(ctx, probe)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", from.name, probe, err)
		}
		if ok && !strings.Contains(out, contains) {
			p.add(from.name+" -> "+to, reachable+", says "+contains, "says "+firstLine(out), false)
			return nil
		}
		if ok || time.Now().After(p.settled) {
			p.add(from.name+" -> "+to, reachable, verdict(ok), ok)
			return nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// cannotReach claims that a probe fails from a place. So that the failure means something, the same probe is made from
// a place where it must succeed, just before.
func (p *Proof) cannotReach(ctx context.Context, from, allowed place, to, probe string) error {
	_, works, err := allowed.run(ctx, probe)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", allowed.name, probe, err)
	}
	out, leaks, err := from.run(ctx, probe)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", from.name, probe, err)
	}
	claim := fmt.Sprintf("%s -> %s (which %s reaches)", from.name, to, allowed.name)
	switch {
	case !works:
		p.add(claim, unreachable, "nothing: "+allowed.name+" does not reach it either", false)
	case leaks:
		p.add(claim, unreachable, reachable+": "+firstLine(out), false)
	default:
		p.add(claim, unreachable, unreachable, true)
	}
	return nil
}

func verdict(ok bool) string {
	if ok {
		return reachable
	}
	return unreachable
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
