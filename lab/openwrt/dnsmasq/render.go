// SPDX-License-Identifier: Apache-2.0

package dnsmasq

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/rhyzome/rhyzome/lab/openwrt/uci"
)

// Networks are the interfaces of netifd that are up, by name.
type Networks map[string]Network

// Network is what the script asks of one.
type Network struct {
	Proto     string
	Device    string
	Addresses []netip.Prefix
}

// Input is what an instance is rendered from.
type Input struct {
	DHCP     *uci.Package
	Networks Networks
	Hostname string
	Boot     bool // no interfaces are known yet
	// Busy reports whether another DHCP server answers on a device.
	Busy func(device string) bool
}

// Instance is one dnsmasq.
type Instance struct {
	Name       string // of its section
	Config     string // text of the configuration file
	Hosts      string // text of its file in hostsDir
	ConfDir    string
	LeaseFile  string
	ResolvFile string // "" for none
	LocalUse   bool   // the router itself resolves by it
	Domain     string
}

const hostsDir = "/tmp/hosts"

// ConfigFile and HostsFile are where the instance's two files go.
func (i Instance) ConfigFile() string { return "/var/etc/dnsmasq.conf." + i.Name }

// HostsFile is read by every instance that does not set ignore_hosts_dir.
func (i Instance) HostsFile() string { return hostsDir + "/dhcp." + i.Name }

// renderer writes the lines of one instance, in the script's order.
type renderer struct {
	Input
	section *uci.Section
	config  strings.Builder
	hosts   strings.Builder
	out     Instance
}

const header = "# auto-generated config file from /etc/config/dhcp\n"

// The options that become a line of their own when they are true.
var flags = []struct {
	option, line string
	on           bool // when the option is not set
}{
	{"authoritative", "dhcp-authoritative", false},
	{"domainneeded", "domain-needed", false},
	{"filterwin2k", "filterwin2k", false},
	{"nohosts", "no-hosts", false},
	{"nonegcache", "no-negcache", false},
	{"strictorder", "strict-order", false},
	{"logqueries", "log-queries=extra", false},
	{"noresolv", "no-resolv", false},
	{"localise_queries", "localise-queries", false},
	{"readethers", "read-ethers", false},
	{"expandhosts", "expand-hosts", false},
	{"nonwildcard", "bind-dynamic", true},
	{"fqdn", "dhcp-fqdn", false},
	{"localservice", "local-service", false},
	{"logdhcp", "log-dhcp", false},
	{"quietdhcp", "quiet-dhcp", false},
	{"sequential_ip", "dhcp-sequential-ip", false},
	{"allservers", "all-servers", false},
	{"noping", "no-ping", false},
	{"rapidcommit", "dhcp-rapid-commit", false},
	{"filter_aaaa", "filter-AAAA", false},
	{"filter_a", "filter-A", false},
}

// The options whose value goes behind a name of dnsmasq's.
var parameters = []struct{ option, name string }{
	{"logfacility", "log-facility"},
	{"cachesize", "cache-size"},
	{"dnsforwardmax", "dns-forward-max"},
	{"port", "port"},
	{"ednspacket_max", "edns-packet-max"},
	{"dhcpleasemax", "dhcp-lease-max"},
	{"queryport", "query-port"},
	{"minport", "min-port"},
	{"maxport", "max-port"},
	{"domain", "domain"},
	{"local", "local"},
}

// The lists, an item a line.
var lists = []struct{ option, name string }{
	{"listen_address", "listen-address"},
	{"server", "server"},
	{"rev_server", "rev-server"},
	{"address", "address"},
}

// known are the sections that are understood; others of the real script's are refused.
var known = map[string]bool{"dnsmasq": true, "dhcp": true, "host": true, "domain": true, "odhcpd": true}

// Render makes the instance of one `config dnsmasq`.
func Render(in Input, s *uci.Section) (Instance, error) {
	for _, other := range in.DHCP.Sections {
		if !known[other.Type] {
			return Instance{}, fmt.Errorf("config %s: not supported by the stand-in", other.Type)
		}
	}
	r := &renderer{Input: in, section: s, out: Instance{Name: s.Name, Domain: s.Get("domain")}}
	r.config.WriteString(header)
	r.hosts.WriteString(header)
	r.general()
	r.files()
	r.protection()
	r.options(s, "")
	r.line("dhcp-broadcast=tag:needs-broadcast")
	r.out.ConfDir = s.Default("confdir", "/tmp/dnsmasq."+s.Name+".d")
	r.line("conf-dir=" + r.out.ConfDir)
	r.line("user=dnsmasq")
	r.line("group=dnsmasq")
	r.ofInstance("host", r.host)
	if s.Bool("dhcpbogushostname", true) {
		r.line("dhcp-ignore-names=tag:dhcp_bogus_hostname")
	}
	r.ofInstance("domain", r.domain)
	if s.Bool("boguspriv", true) {
		r.line("bogus-priv")
	}
	if !in.Boot {
		r.ofInstance("dhcp", r.dhcp)
	}
	r.line("enable-ra")
	r.line("quiet-ra")
	r.out.Config, r.out.Hosts = r.config.String(), r.hosts.String()
	return r.out, nil
}

func (r *renderer) line(text string) { r.config.WriteString(text + "\n") }

// ofInstance calls f for the sections of a type that name this instance, or none.
func (r *renderer) ofInstance(kind string, f func(*uci.Section)) {
	for _, s := range r.DHCP.Type(kind) {
		if i := s.Get("instance"); i == "" || i == r.section.Name {
			f(s)
		}
	}
}

func (r *renderer) general() {
	s := r.section
	if _, err := os.Stat("/etc/dnsmasq.conf"); err == nil {
		r.line("conf-file=/etc/dnsmasq.conf")
	}
	for _, f := range flags {
		if s.Bool(f.option, f.on) {
			r.line(f.line)
		}
	}
	for _, p := range parameters {
		if v := s.Get(p.option); v != "" {
			r.line(p.name + "=" + v)
		}
	}
	for _, l := range lists {
		for _, v := range s.List(l.option) {
			r.line(l.name + "=" + v)
		}
	}
	if r.Boot {
		return
	}
	for _, name := range s.List("interface") {
		r.line("interface=" + r.device(name))
	}
	for _, name := range s.List("notinterface") {
		r.line("except-interface=" + r.device(name))
	}
}

// device is the device of a network; of one that is not up, its name.
func (r *renderer) device(network string) string {
	if n := r.Networks[network]; n.Device != "" {
		return n.Device
	}
	return network
}

func (r *renderer) files() {
	s := r.section
	if s.Bool("ignore_hosts_dir", false) {
		r.line("addn-hosts=" + r.out.HostsFile())
	} else {
		r.line("addn-hosts=" + hostsDir)
	}
	for _, file := range s.List("addnhosts") {
		r.line("addn-hosts=" + file)
	}
	r.out.LeaseFile = s.Default("leasefile", "/tmp/dhcp.leases")
	r.line("dhcp-leasefile=" + r.out.LeaseFile)
	if file := s.Get("serversfile"); file != "" {
		r.line("servers-file=" + file)
	}
	if ttl := s.Get("local_ttl"); ttl != "" {
		r.line("local-ttl=" + ttl)
	}
	const automatic = "/tmp/resolv.conf.d/resolv.conf.auto"
	r.out.LocalUse = true
	if !s.Bool("noresolv", false) {
		r.out.ResolvFile = s.Default("resolvfile", automatic)
		r.out.LocalUse = r.out.ResolvFile == automatic
		r.line("resolv-file=" + r.out.ResolvFile)
	}
	r.out.LocalUse = s.Bool("localuse", r.out.LocalUse)
	if file := s.Get("dhcphostsfile"); file != "" {
		if _, err := os.Stat(filepath.Clean(file)); err == nil {
			r.line("dhcp-hostsfile=" + file)
		}
	}
}

func (r *renderer) protection() {
	s := r.section
	if !s.Bool("rebind_protection", true) {
		return
	}
	r.line("stop-dns-rebind")
	if s.Bool("rebind_localhost", false) {
		r.line("rebind-localhost-ok")
	}
	for _, d := range s.List("rebind_domain") {
		r.line("rebind-domain-ok=" + d)
	}
}

// options writes the DHCP options of a section, for the clients of a network or for all.
func (r *renderer) options(s *uci.Section, network string) {
	if network != "" {
		network += ","
	}
	for _, o := range s.Items("dhcp_option") {
		r.line("dhcp-option=" + network + o)
	}
	for _, o := range s.Items("dhcp_option_force") {
		r.line("dhcp-option-force=" + network + o)
	}
}
