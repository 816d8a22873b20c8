// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	virt "libvirt.org/go/libvirt"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

// namePrefix begins the names of our domains. The id follows.
const namePrefix = "rz-"

// domain is one of ours. The holder must free it.
type domain struct {
	*virt.Domain
	mark mark
}

// free gives libvirt's handle back; the domain itself stays.
func (d *domain) free() { freeHandle(d.Domain) }

func freeHandle(d *virt.Domain) {
	// It fails for a handle that is none, which is never given out.
	_ = d.Free()
}

// find returns an instance's domain. fault.NoSuchObject if there is none, fault.ForeignConflict if it is not ours.
func find(l *link, id string) (*domain, error) {
	d, err := l.LookupDomainByUUIDString(id)
	if isAbsent(err) {
		return nil, fault.New(fault.NoSuchObject, "there is no domain %s%s", namePrefix, id)
	}
	if err != nil {
		return nil, err
	}
	m, err := readMark(d)
	if err != nil {
		freeHandle(d)
		return nil, err
	}
	return &domain{Domain: d, mark: m}, nil
}

// each calls do for every domain of ours. Domains that vanish meanwhile are left out.
func each(l *link, do func(*domain) error) error {
	handles, err := l.ListAllDomains(0)
	if err != nil {
		return err
	}
	defer func() {
		for i := range handles {
			freeHandle(&handles[i])
		}
	}()
	for i := range handles {
		m, err := readMark(&handles[i])
		switch {
		case isForeign(err) || isAbsent(err):
			continue
		case err == nil:
			err = do(&domain{Domain: &handles[i], mark: m})
		}
		if err != nil && !isAbsent(err) {
			return err
		}
	}
	return nil
}

// observe says what libvirt knows of the instance.
func (d *domain) observe(hostID string) (provider.Instance, error) {
	power, err := d.power()
	if err != nil {
		return provider.Instance{}, err
	}
	i := provider.Instance{
		Observed:              provider.Observed{Tag: d.mark.tag(), Phase: provider.PhaseReady, BackendRef: namePrefix + d.mark.ID},
		Power:                 power,
		HostID:                hostID,
		LastRebootOperationID: d.mark.LastReboot,
	}
	if d.mark.State != stateReady {
		i.Phase, i.Failure = provider.PhaseFailed, interrupted(d.mark.State)
	}
	return i, nil
}

// leftover is what is reported of files whose domain is gone.
func leftover(id, hostID string) provider.Instance {
	return provider.Instance{
		Observed: provider.Observed{
			Tag: provider.Tag{ID: id}, Phase: provider.PhaseFailed, BackendRef: namePrefix + id,
			Failure: fault.New(fault.Interrupted, "the domain is gone, and some of its files are left"),
		},
		Power:  provider.PowerStopped,
		HostID: hostID,
	}
}

func interrupted(state markState) *fault.Error {
	return fault.New(fault.Interrupted, "a process ended while the instance was in the state %q", string(state))
}

// power says whether the guest has a process. One that is paused has.
func (d *domain) power() (provider.PowerState, error) {
	active, err := d.IsActive()
	if err != nil {
		return "", err
	}
	if active {
		return provider.PowerRunning, nil
	}
	return provider.PowerStopped, nil
}

// mustBeOurs refuses to make an instance over something of somebody else's.
func mustBeOurs(l *link, id string) error {
	d, err := l.LookupDomainByName(namePrefix + id)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer freeHandle(d)
	_, err = readMark(d)
	return err
}

// stopped ignores that a domain was not running when it was to be ended.
func stopped(err error) error {
	if isWrongState(err) || isAbsent(err) {
		return nil
	}
	return err
}
