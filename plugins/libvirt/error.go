// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"errors"

	virt "libvirt.org/go/libvirt"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

// classify turns an error of libvirt into a fault. Other errors stay as they are. What libvirt's numbers mean is known
// in this file only.
func classify(err error) error {
	var e virt.Error
	if !errors.As(err, &e) {
		return err
	}
	return &fault.Error{Code: reason(e).Code(), Reason: reason(e), Message: "libvirt: " + e.Message, Err: err}
}

func reason(e virt.Error) fault.Reason {
	switch e.Code {
	case virt.ERR_NO_DOMAIN:
		return fault.NoSuchObject
	case virt.ERR_NO_CONNECT, virt.ERR_INVALID_CONN, virt.ERR_RPC, virt.ERR_NO_SERVER, virt.ERR_NO_CLIENT:
		return fault.BackendDown
	case virt.ERR_AUTH_FAILED, virt.ERR_AUTH_CANCELLED, virt.ERR_AUTH_UNAVAILABLE, virt.ERR_ACCESS_DENIED,
		virt.ERR_OPERATION_DENIED:
		return fault.BackendDenied
	case virt.ERR_DOM_EXIST:
		return fault.ForeignConflict
	case virt.ERR_NO_MEMORY:
		return fault.NoCapacity
	case virt.ERR_RESOURCE_BUSY, virt.ERR_OPERATION_TIMEOUT, virt.ERR_OPERATION_ABORTED:
		return fault.Busy
	}
	if e.Domain == virt.FROM_RPC || e.Domain == virt.FROM_REMOTE {
		return fault.BackendDown // of the way to libvirtd
	}
	return fault.BackendRefused
}

// isAbsent says that there is no such domain.
func isAbsent(err error) bool { return errors.Is(err, virt.ERR_NO_DOMAIN) }

// isUnmarked says that a domain has no metadata of ours.
func isUnmarked(err error) bool { return errors.Is(err, virt.ERR_NO_DOMAIN_METADATA) }

// isWrongState says that a domain is not running when it must, or not persistent when it must.
func isWrongState(err error) bool { return errors.Is(err, virt.ERR_OPERATION_INVALID) }

// isNoObject says that a fault is about an object that does not exist.
func isNoObject(err error) bool { return errors.Is(err, &fault.Error{Reason: fault.NoSuchObject}) }

// isForeign says that a fault is about something that is not ours.
func isForeign(err error) bool { return errors.Is(err, &fault.Error{Reason: fault.ForeignConflict}) }
