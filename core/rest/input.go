// SPDX-License-Identifier: Apache-2.0

package rest

import "github.com/rhyzome/rhyzome/core"

// Inputs of several routes. What is read from path or query must not be read from the body, so it has json:"-".

// InProject names the project of a route.
type InProject struct {
	Project string `path:"project" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the project."`
}

// InNetwork names a network.
type InNetwork struct {
	InProject
	Network string `path:"network" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the network."`
}

// Paging says which part of a list is wanted.
type Paging struct {
	After string `query:"after" json:"-" pattern:"^[A-Za-z0-9._-]{1,128}$" description:"Cursor: the next of the page before."`
	Limit int    `query:"limit" json:"-" minimum:"1" maximum:"1000" description:"Items at most; 100 if left out."`
}

func (p Paging) page() core.Page { return core.Page{After: p.After, Limit: p.Limit} }

// inProjectPage asks for a page of what a project owns.
type inProjectPage struct {
	InProject
	Paging
}
