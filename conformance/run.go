// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// caseTimeout bounds one case, above what its objects may take.
const caseTimeout = 5 * time.Minute

// contractName is the package of the contract that the cases speak.
const contractName = "rhyzome.provider.v1"

// Runner runs the cases against one provider, one after the other.
type Runner struct {
	Target  Target
	Params  Params
	Profile Profile        // "" for Core
	Suite   string         // version of the suite, for the report
	Focus   *regexp.Regexp // of ids; nil for all
	Skip    *regexp.Regexp // likewise; nil for none
	Known   Known          // cases that are known to fail; may be nil
	Debug   bool           // a debugger may stop the provider: it may take for ever
	Done    func(Result)   // called after each case; may be nil
	Now     func() time.Time
	NewID   func() string // UUIDv7
}

// Run runs the cases. An error means that the provider could not be judged at all: it does not start, or not accept its
// configuration; or that ctx ended, and then what was made is removed nevertheless.
func (r Runner) Run(ctx context.Context) (Report, error) {
	r = r.withDefaults()
	s := newSession(r)
	report := Report{
		Suite: r.Suite, Contract: contractName, Profile: r.Profile, Partial: r.Focus != nil || r.Skip != nil, Way: r.Target.Way(), StartedAt: r.Now().UTC().Truncate(time.Millisecond),
	}
	if err := s.begin(ctx); err != nil {
		return report, fmt.Errorf("the provider cannot be judged: %w", err)
	}
	d := s.description
	report.Plugin, report.Version, report.Services = d.Name, d.Version, d.Services
	for _, c := range d.Capabilities {
		report.Capabilities = append(report.Capabilities, c.Name)
	}
	for _, c := range Cases() {
		if !r.Wants(c) {
			continue
		}
		result := r.Known.judge(r.runCase(ctx, s, c))
		if ctx.Err() != nil {
			break // what it says is of the interruption
		}
		report.Results = append(report.Results, result)
		if r.Done != nil {
			r.Done(result)
		}
	}
	if err := s.end(cleanUp(ctx)); err != nil {
		report.Leftover = err.Error()
	}
	report.Seconds = seconds(r.Now().Sub(report.StartedAt))
	return report, ctx.Err()
}

// cleanUp is a context for what is done whether or not the run was given up.
func cleanUp(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// suspended is long enough for anybody with a debugger.
const suspended = 24 * time.Hour

// patience is how long something may take.
func (r Runner) patience(usual time.Duration) time.Duration {
	if r.Debug {
		return suspended
	}
	return usual
}

func (r Runner) withDefaults() Runner {
	r.Profile = either(r.Profile, Core)
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.NewID == nil {
		r.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return r
}

// Sweep removes what an earlier run left behind, and nothing else. It returns what it removed.
func (r Runner) Sweep(ctx context.Context) ([]string, error) {
	s := newSession(r.withDefaults())
	if err := s.begin(ctx); err != nil {
		return nil, fmt.Errorf("the provider cannot be asked: %w", err)
	}
	removed, err := s.sweepEarlier(ctx)
	return removed, errors.Join(err, s.end(ctx))
}

// Wants reports whether the profile has a case, and Focus and Skip let it run.
func (r Runner) Wants(c Case) bool {
	id := c.ID
	return r.Profile.includes(c.Profile) && (r.Focus == nil || r.Focus.MatchString(id)) && (r.Skip == nil || !r.Skip.MatchString(id))
}

func (r Runner) runCase(ctx context.Context, s *Session, c Case) Result {
	result := Result{ID: c.ID, Level: c.Level, Needs: c.Needs, Title: c.Title, Sentence: c.Sentence, Fix: c.Fix, Outcome: NotAdvertised}
	if c.Needs != "" && !s.description.Offers(c.Needs) {
		return result
	}
	began := r.Now()
	s.limits = nil
	calls, err := s.run(ctx, c)
	result.Seconds = seconds(r.Now().Sub(began))
	switch {
	case err != nil:
		result.Outcome, result.Detail, result.Calls = Fail, err.Error(), calls
	case len(s.limits) > 0:
		result.Outcome, result.Detail = Limit, strings.Join(s.limits, "; ")
	default:
		result.Outcome = Pass
	}
	return result
}

// seconds with as much precision as a report needs.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// run prepares the provider, runs the case, and removes what the case made. What cannot be removed fails the case. It
// returns the calls that the case made.
func (s *Session) run(ctx context.Context, c Case) ([]Call, error) {
	cleaning, cancelCleaning := context.WithTimeout(cleanUp(ctx), s.runner.patience(2*caseTimeout))
	defer cancelCleaning()
	ctx, cancel := context.WithTimeout(ctx, s.runner.patience(caseTimeout))
	defer cancel()
	if s.dirty {
		if err := s.Restart(ctx); err != nil {
			return nil, fmt.Errorf("the provider does not start again: %w", err)
		}
	}
	s.calls.take()
	err := c.Run(ctx, s)
	calls := s.calls.take()
	if err != nil {
		s.dirty = true // whatever went wrong must not fail the next case too
	}
	left := s.sweep(cleaning)
	if err != nil && left != nil {
		left = fmt.Errorf("after that, what the case made could not be removed: %w", left)
	}
	return calls, errors.Join(err, left)
}
