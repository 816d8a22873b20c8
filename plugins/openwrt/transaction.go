// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"context"
	"errors"

	"github.com/rhyzome/rhyzome/plugins/openwrt/uci"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// maxAttempts is how often a transaction is begun again because something else overwrote our sections.
const maxAttempts = 3

// transaction takes the router from one configuration to the next, or leaves it as it was.
type transaction struct {
	*router
	journal journal
	changes []*change
	steps   []step
	small   bool
}

// transact plans the changes together and applies them. It holds the lock that keeps other processes of ours away.
func (r *router) transact(ctx context.Context, changes []*change) (err error) {
	release, err := r.dir.Lock(ctx)
	if err != nil {
		return configFault(err)
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := r.recover(ctx); err != nil {
		return err
	}
	f, err := r.load()
	if err != nil {
		return err
	}
	t := &transaction{router: r}
	for _, c := range changes {
		needed, err := c.plan(f)
		if err != nil {
			return configFault(err)
		}
		if needed {
			t.include(c)
		}
	}
	if len(t.changes) == 0 {
		return nil
	}
	t.journal.Changes = f.changes()
	return t.run(ctx)
}

// include adds a change. Those that go together have the same steps.
func (t *transaction) include(c *change) {
	t.changes = append(t.changes, c)
	t.journal.Effects.add(c.effects)
	t.steps, t.small, t.journal.Undo = c.steps, c.small, c.undo
	if c.removes {
		t.journal.Finish = c.steps
	}
}

// changes returns what the plans did to the files.
func (f *files) changes() map[string][]uci.Change {
	all := map[string][]uci.Change{}
	for name, file := range f.byName() {
		if changed := (*file).Changes(); len(changed) > 0 {
			all[name] = changed
		}
	}
	return all
}

// run does everything between the journal's first and last byte. What fails is undone. What is given up, by a caller or by
// the end of the process, stays where it is, as after a crash: a cancellation is to be quick.
func (t *transaction) run(ctx context.Context) error {
	if !t.small {
		if err := t.beginJournal(t.journal); err != nil {
			return err
		}
	}
	err := t.apply(ctx)
	switch {
	case err == nil && t.small:
		return nil
	case err == nil:
		return t.finish(ctx)
	case ctx.Err() != nil:
		return err
	}
	undoing := t.undo(ctx, t.journal)
	if undoing == nil && !t.small {
		undoing = t.endJournal()
	}
	if undoing != nil {
		t.log.Error("a failed change could not be undone, and will be before the next one", "error", undoing)
	}
	return err
}

// apply writes the files, takes the steps, and looks whether something else overwrote the files meanwhile: uci's own
// lock cannot prevent it, since it is released before the file is replaced.
func (t *transaction) apply(ctx context.Context) error {
	for range maxAttempts {
		if err := t.write(ctx, t.journal.Changes); err != nil {
			return err
		}
		for i, s := range t.steps {
			t.report(s, 10+80*i/len(t.steps))
			if err := t.take(ctx, s, t.journal.Effects); err != nil {
				return err
			}
			if err := t.see(ctx, s); err != nil {
				return err
			}
		}
		intact, err := t.intact()
		if intact || err != nil {
			return err
		}
		t.log.Warn("something else overwrote the configuration while it was applied: once more")
	}
	return fault.New(fault.Busy, "something else keeps writing the router's configuration")
}

func (t *transaction) report(s step, percent int) {
	for _, c := range t.changes {
		if c.progress != nil {
			c.progress(s.what(), percent)
		}
	}
}

func (t *transaction) see(ctx context.Context, s step) error {
	for _, c := range t.changes {
		if look := c.seen[s]; look != nil {
			if err := look(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// write changes the files. The network file, which holds the tags of networks, comes first.
func (r *router) write(ctx context.Context, changes map[string][]uci.Change) error {
	for _, name := range []string{fileNetwork, fileDHCP, fileFirewall} {
		if len(changes[name]) > 0 && r.dir.HasStaged(name) {
			r.log.Warn("somebody's uncommitted changes wait beside ours; they may miss unnamed sections", "file", name)
		}
		if err := r.dir.Replay(ctx, name, changes[name]); err != nil {
			return configFault(err)
		}
	}
	return nil
}

func (t *transaction) intact() (bool, error) {
	f, err := t.load()
	if err != nil {
		return false, err
	}
	for name, file := range f.byName() {
		if !(*file).Holds(t.journal.Changes[name]) {
			return false, nil
		}
	}
	return true, nil
}

// finish ends the journal, and then notes at every object that the transaction made that it was seen to work: none is
// ready that could still be undone.
func (t *transaction) finish(ctx context.Context) error {
	if err := t.endJournal(); err != nil {
		return err
	}
	f, err := t.load()
	if err != nil {
		return err
	}
	for _, file := range f.byName() {
		for _, name := range t.journal.Effects.Made {
			s, ok := (*file).Section(name)
			if ok && s.Get(optionState) == stateApplying {
				s.Set(optionState, stateReady)
				if err := (*file).Set(s); err != nil {
					return configFault(err)
				}
			}
		}
	}
	return t.write(context.WithoutCancel(ctx), f.changes())
}
