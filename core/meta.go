// SPDX-License-Identifier: Apache-2.0

package core

import "time"

// Meta is what every named resource has.
type Meta struct {
	ID          string            `json:"id" description:"UUIDv7, made by the core."`
	Name        string            `json:"name" description:"DNS label, unique among its siblings, fixed after creation."`
	DisplayName string            `json:"display_name,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Generation  int64             `json:"generation" description:"Raised by each change of spec or labels; it is the ETag."`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
}

// Head returns the meta of any resource: they all embed it.
func (m Meta) Head() Meta { return m }

// New is what a create request says about any named resource.
type New struct {
	Name        string            `json:"name" required:"true" minLength:"1" maxLength:"63" pattern:"^[a-z]([a-z0-9-]*[a-z0-9])?$" description:"DNS label."`
	DisplayName string            `json:"display_name,omitempty" maxLength:"200"`
	Labels      map[string]string `json:"labels,omitempty" maxProperties:"64"`
}

// Page says which part of a list is wanted, in the order of ids.
type Page struct {
	After string // id of the last item of the page before
	Limit int    // 1 to 1000; 0 for 100
}

// Clock and ids are injected, so that tests decide them.
type (
	// Clock returns the time now, UTC, in microseconds.
	Clock func() time.Time
	// NewID returns a fresh UUIDv7.
	NewID func() string
)
