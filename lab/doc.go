// SPDX-License-Identifier: Apache-2.0

// Package lab is the whole of Rhyzome on one machine: a core, two hypervisors, a router behind a NAT, a WAN with a
// laptop, and two tenants who must not reach each other. `rhyzome lab up` makes it and proves it; the end-to-end tests
// are the same thing.
//
// Every part of it is a machine of its own (package machine), made of namespaces under an init: nothing is made in the
// root namespaces, except the loopback socket for REST. The core and the providers are the binaries that users install,
// and don't know that they are in a lab. What stands in for something real says so: package openwrt for an OpenWrt
// userland, package guest for an operating system.
package lab
