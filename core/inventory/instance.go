// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// instance takes in what is observed of one. Building, deleting and error are its operation's business; the other
// states follow the machine.
func (w *view) instance(o provider.Instance) error {
	i, whose, err := w.findInstance(o.ID)
	if err != nil {
		return err
	}
	if whose != mine {
		return w.strange(whose, provider.KindInstance, o.Observed)
	}
	before := i
	if o.Phase == provider.PhaseReady {
		// Of a generation that is on its way, an older observation says nothing.
		if o.Generation >= i.Generation || i.Status.Operation == "" {
			i.Status.Power = string(o.Power)
		}
		if follows(i.Status.State) {
			i.Status.State, i.Status.Message = powerState(o.Power), ""
		}
	}
	if o.Phase == provider.PhaseFailed && follows(i.Status.State) && i.Status.Operation == "" {
		i.Status.State, i.Status.Message = core.InstanceUnknown, failure(o.Observed)
	}
	return w.saveInstance(before, i)
}

// follows reports whether a state changes with what is observed.
func follows(s core.InstanceState) bool {
	return s == core.InstanceRunning || s == core.InstanceStopped || s == core.InstanceUnknown
}

func powerState(p provider.PowerState) core.InstanceState {
	if p == provider.PowerRunning {
		return core.InstanceRunning
	}
	return core.InstanceStopped
}

// failure is what a provider says of an object that failed.
func failure(o provider.Observed) string {
	if o.Failure == nil {
		return "its provider reports a failure"
	}
	return o.Failure.Message
}

// findInstance returns the row of an instance, and whose it is.
func (w *view) findInstance(id string) (core.Instance, whose, error) {
	i, found, err := known(w.tx.Instances(), id)
	if err != nil || !found || i.Status.Host == "" {
		return i, nobodys, err
	}
	h, err := w.tx.Hosts().Get(i.Status.Host)
	if err == nil && h.Provider == w.provider.ID {
		return i, mine, nil
	}
	return i, others, err
}

// instanceMissing marks an instance that should be there and is not.
func (w *view) instanceMissing(id, why string) error {
	i, whose, err := w.findInstance(id)
	if err != nil || whose != mine || i.Status.Operation != "" {
		return err
	}
	return w.loseInstance(i, why)
}

func (w *view) loseInstance(i core.Instance, why string) error {
	if !follows(i.Status.State) {
		return nil
	}
	before := i
	i.Status.State, i.Status.Message = core.InstanceUnknown, why
	return w.saveInstance(before, i)
}

// saveInstance stores what changed, and tells when the state did.
func (w *view) saveInstance(before, i core.Instance) error {
	at := w.now()
	a, b := before.Status, i.Status
	if a.State == b.State && a.Message == b.Message && a.Power == b.Power && a.ObservedAt != nil && at.Sub(*a.ObservedAt) < observedEvery {
		return nil
	}
	i.Status.ObservedAt = &at
	if err := w.tx.Instances().Update(i); err != nil || a.State == b.State {
		return err
	}
	return w.emit(w.tx, "instance.updated", core.ResourceRef{Kind: "instance", ID: i.ID, Name: i.Name}, i.Project, string(b.State))
}

func (w *view) instancesOn(h core.Host) ([]core.Instance, error) {
	return core.All(w.tx.Instances(), core.Query{Parent: h.ID}, func(i core.Instance) string { return i.ID })
}
