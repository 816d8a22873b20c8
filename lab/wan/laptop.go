// SPDX-License-Identifier: Apache-2.0

package wan

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/rhyzome/rhyzome/lab/fabric"
	"github.com/rhyzome/rhyzome/lab/machine"
)

// Laptop is a user's computer on the WAN. Its private key is made on it, and stays there.
type Laptop struct{ *machine.Machine }

const (
	keyFile = "/root/wireguard.key"
	tunnel  = "rz0"
)

// StartLaptop makes the laptop on a segment.
func StartLaptop(ctx context.Context, spec machine.Spec, wan *fabric.Segment, addresses ...netip.Prefix) (*Laptop, error) {
	m, err := machine.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := wan.Connect(m, "eth0"); err != nil {
		return nil, err
	}
	return &Laptop{m}, m.Address("eth0", addresses...)
}

// OpenLaptop returns the laptop whose machine runs in dir.
func OpenLaptop(ctx context.Context, dir string) (*Laptop, error) {
	m, err := machine.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &Laptop{m}, nil
}

// NewKey makes the private key, and returns the public one.
func (l *Laptop) NewKey(ctx context.Context) (string, error) {
	public, err := l.Run(ctx, "sh", "-c", "umask 077; mkdir -p /root; wg genkey >"+keyFile+"; wg pubkey <"+keyFile)
	return strings.TrimSpace(public), err
}

// Dial brings the tunnel up with the file that the API gives out for a peer, as its owner would: the private key put
// in, then wg-quick. The file's name servers are written to resolv.conf by hand, where wg-quick asks for resolvconf.
func (l *Laptop) Dial(ctx context.Context, config string) error {
	servers, config := takeDNS(config)
	write := l.Command(ctx, "sh", "-c", fmt.Sprintf(
		`umask 077; mkdir -p /etc/wireguard; sed "s|^# PrivateKey = .*|PrivateKey = $(cat %s)|" >/etc/wireguard/%s.conf`,
		keyFile, tunnel))
	write.Stdin = strings.NewReader(config)
	if out, err := write.CombinedOutput(); err != nil {
		return fmt.Errorf("laptop: peer's file: %w: %s", err, out)
	}
	resolver := l.Command(ctx, "sh", "-c", "cat >/etc/resolv.conf")
	resolver.Stdin = strings.NewReader(servers)
	if out, err := resolver.CombinedOutput(); err != nil {
		return fmt.Errorf("laptop: resolv.conf: %w: %s", err, out)
	}
	// What wg-quick leaves running must not hold this command's pipes.
	_, err := l.Run(ctx, "sh", "-c", "wg-quick up "+tunnel+" >/var/log/wg-quick.log 2>&1 </dev/null || { cat /var/log/wg-quick.log; exit 1; }")
	return err
}

// takeDNS splits the DNS line off a wg-quick file, as the text of a resolv.conf.
func takeDNS(config string) (resolvConf, rest string) {
	var servers, kept strings.Builder
	for _, line := range strings.SplitAfter(config, "\n") {
		value, ok := strings.CutPrefix(line, "DNS = ")
		if !ok {
			kept.WriteString(line)
			continue
		}
		for _, entry := range strings.Split(value, ",") {
			entry = strings.TrimSpace(entry)
			if _, err := netip.ParseAddr(entry); err == nil {
				fmt.Fprintln(&servers, "nameserver", entry)
			} else {
				fmt.Fprintln(&servers, "search", entry)
			}
		}
	}
	return servers.String(), kept.String()
}
