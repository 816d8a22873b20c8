// SPDX-License-Identifier: Apache-2.0

// Package fw4 is the stand-in for OpenWrt's firewall: it renders /etc/config/firewall to the ruleset that fw4 renders, and
// is the program fw4. Testdata holds what the real one renders from the same configuration.
//
// Of defaults, zones, rules, forwardings and redirects it knows what routers commonly use. What the real fw4 knows and
// this one does not (ipsets, helpers, NAT reflection, times) it refuses aloud, so that nothing differs in silence.
package fw4
