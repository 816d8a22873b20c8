// SPDX-License-Identifier: Apache-2.0

// Package openwrt makes a machine of the lab into an OpenWrt router, as far as a provider can tell: ubus, fw4, uci, ifup,
// /etc/init.d and /etc/config are at OpenWrt's places, with OpenWrt's arguments, output and exit codes, and apply the
// configuration with the real kernel, nftables, dnsmasq and WireGuard. It is test equipment, a stand-in; what it renders is
// held to recordings of the real programs (fw4/testdata). It knows nothing of Rhyzome, and has no other channel to a
// provider than these programs and files.
//
// The programs are all this very program: small scripts at their places run it as `PROGRAM lab openwrt NAME ARGUMENTS`.
package openwrt
