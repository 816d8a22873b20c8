// SPDX-License-Identifier: Apache-2.0

// Package dnsmasq is the stand-in for OpenWrt's /etc/init.d/dnsmasq: one real dnsmasq for each `config dnsmasq`, with the
// configuration file that the init script of 24.10 would render from /etc/config/dhcp, DHCPv6 and router advertisements
// included (as where odhcpd is not installed). The line enable-ubus is left out: Debian's dnsmasq has no ubus.
package dnsmasq
