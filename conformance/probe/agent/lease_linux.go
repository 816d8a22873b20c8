// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/rhyzome/rhyzome/conformance/probe"
)

// A client repeats itself after askInterval, and then after twice as long each time, until its patience ends.
const (
	askInterval = time.Second
	askTries    = 10
)

// linkLocalPatience covers duplicate address detection (RFC 4862), a second or two.
const linkLocalPatience = 10 * time.Second

// Acquire implements Client.Acquire: by DHCPv4 (RFC 2131), DHCPv6 (RFC 8415) and router solicitation (RFC 4861). That
// nobody answers is a lease without addresses.
func (a *agent) Acquire(args probe.AcquireArgs, lease *probe.Lease) error {
	link, err := netlink.LinkByName(args.Interface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", args.Interface, err)
	}
	mac := link.Attrs().HardwareAddr
	stranger := args.MAC != ""
	if stranger {
		if mac, err = net.ParseMAC(args.MAC); err != nil {
			return err
		}
	}
	if err := awaitLinkLocal(link); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), args.Patience)
	defer cancel()
	if err := acquireBoth(ctx, args.Interface, mac, lease); err != nil {
		return err
	}
	if stranger {
		return nil
	}
	if err := solicitRouter(args.Interface, lease); err != nil {
		return fmt.Errorf("router solicitation: %w", err)
	}
	return a.SetAddress(addressOf(lease, args.Interface), nil)
}

// address is what the lease gives an interface.
func addressOf(l *probe.Lease, device string) probe.Address {
	addr := probe.Address{Interface: device}
	if l.IPv4.IsValid() {
		addr.Addresses = append(addr.Addresses, l.IPv4)
	}
	if l.Router.IsValid() {
		addr.Gateways = append(addr.Gateways, l.Router)
	}
	if l.IPv6.IsValid() {
		bits := 128
		for _, p := range l.OnLink {
			if p.Contains(l.IPv6) {
				bits = p.Bits()
			}
		}
		addr.Addresses = append(addr.Addresses, netip.PrefixFrom(l.IPv6, bits))
	}
	if l.RouterV6.IsValid() {
		addr.Gateways = append(addr.Gateways, l.RouterV6)
	}
	return addr
}

// awaitLinkLocal waits until the interface may speak IPv6.
func awaitLinkLocal(link netlink.Link) error {
	return awaitFor(linkLocalPatience, "a link-local address", func() (bool, error) {
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V6)
		for _, addr := range addresses {
			if addr.IP.IsLinkLocalUnicast() && addr.Flags&unix.IFA_F_TENTATIVE == 0 {
				return true, nil
			}
		}
		return false, err
	})
}

// acquireBoth asks in both families at once: where nobody answers, each takes all its time.
func acquireBoth(ctx context.Context, device string, mac net.HardwareAddr, lease *probe.Lease) error {
	var six probe.Lease
	done := make(chan error, 1)
	go func() { done <- acquire6(ctx, device, mac, &six) }()
	if err := acquire4(ctx, device, mac, lease); err != nil {
		return errors.Join(fmt.Errorf("DHCPv4: %w", err), <-done)
	}
	if err := <-done; err != nil {
		return fmt.Errorf("DHCPv6: %w", err)
	}
	lease.IPv6, lease.Servers = six.IPv6, append(lease.Servers, six.Servers...)
	return nil
}

func acquire4(ctx context.Context, device string, mac net.HardwareAddr, lease *probe.Lease) error {
	client, err := nclient4.New(device, nclient4.WithHWAddr(mac), nclient4.WithTimeout(askInterval), nclient4.WithRetry(askTries))
	if err != nil {
		return err
	}
	defer client.Close()
	got, err := client.Request(ctx, dhcpv4.WithBroadcast(true), dhcpv4.WithRequestedOptions(
		dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionDomainName))
	if nobody(err) {
		return nil
	}
	if err != nil {
		return err
	}
	addr, _ := netip.AddrFromSlice(got.ACK.YourIPAddr.To4())
	bits, _ := got.ACK.SubnetMask().Size()
	lease.IPv4 = netip.PrefixFrom(addr, bits)
	if routers := got.ACK.Router(); len(routers) > 0 {
		lease.Router, _ = netip.AddrFromSlice(routers[0].To4())
	}
	lease.Servers = append(lease.Servers, addresses(got.ACK.DNS())...)
	lease.Domain = got.ACK.DomainName()
	return nil
}

// nobody tells whether a client had no answer.
func nobody(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nclient4.ErrNoResponse) || errors.Is(err, nclient6.ErrNoResponse)
}

func addresses(ips []net.IP) []netip.Addr {
	var all []netip.Addr
	for _, ip := range ips {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			all = append(all, addr.Unmap())
		}
	}
	return all
}

// acquire6 identifies itself by the MAC (DUID-LL), as guests do whose DHCPv6 is to be foreseen.
func acquire6(ctx context.Context, device string, mac net.HardwareAddr, lease *probe.Lease) error {
	client, err := nclient6.New(device, nclient6.WithTimeout(askInterval), nclient6.WithRetry(askTries))
	if err != nil {
		return err
	}
	defer client.Close()
	id := dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: 1, LinkLayerAddr: mac})
	offer, err := client.Solicit(ctx, id, dhcpv6.WithIAID([4]byte(mac[2:])))
	if nobody(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if offer.Options.OneIANA() == nil || offer.Options.OneIANA().Options.OneAddress() == nil {
		return nil // it has an answer, and no address in it
	}
	got, err := client.Request(ctx, offer)
	if nobody(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if ia := got.Options.OneIANA(); ia != nil && ia.Options.OneAddress() != nil {
		lease.IPv6, _ = netip.AddrFromSlice(ia.Options.OneAddress().IPv6Addr)
	}
	lease.Servers = append(lease.Servers, addresses(got.Options.DNS())...)
	return nil
}

// Router advertisements (RFC 4861, 4.2, 4.6.2 and 10).
const (
	solicitations       = 3
	advertisementHeader = 12 // after the four bytes of ICMPv6: hop limit to retrans timer
	optionPrefix        = 3
	flagOnLink          = 0x80
	flagAutonomous      = 0x40
)

// solicitRouter asks who routes here. None answers where the network has no IPv6.
func solicitRouter(device string, lease *probe.Lease) error {
	conn, err := icmp.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.IPv6PacketConn().SetMulticastHopLimit(255); err != nil { // others are not believed
		return err
	}
	message, err := (&icmp.Message{Type: ipv6.ICMPTypeRouterSolicitation, Body: &icmp.RawBody{Data: make([]byte, 4)}}).Marshal(nil)
	if err != nil {
		return err
	}
	routers := &net.IPAddr{IP: net.IPv6linklocalallrouters, Zone: device}
	for range solicitations {
		if _, err := conn.WriteTo(message, routers); err != nil && !isUnreachable(err) {
			return err
		}
		if awaitAdvertisement(conn, device, time.Now().Add(askInterval), lease) {
			return nil
		}
	}
	return nil
}

func awaitAdvertisement(conn *icmp.PacketConn, device string, until time.Time, lease *probe.Lease) bool {
	if err := conn.SetReadDeadline(until); err != nil {
		return false
	}
	packet := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(packet)
		if err != nil {
			return false
		}
		message, err := icmp.ParseMessage(protocolICMPv6, packet[:n])
		ip, ok := from.(*net.IPAddr)
		if err != nil || !ok || message.Type != ipv6.ICMPTypeRouterAdvertisement || ip.Zone != device {
			continue
		}
		router, _ := netip.AddrFromSlice(ip.IP)
		if body, ok := message.Body.(*icmp.RawBody); ok && len(body.Data) >= advertisementHeader {
			if lifetime := binary.BigEndian.Uint16(body.Data[2:]); lifetime > 0 {
				lease.RouterV6 = router
			}
			readPrefixes(lease, body.Data[advertisementHeader:])
			return true
		}
	}
}

// readPrefixes reads the options of an advertisement: each has a kind, its length in units of eight bytes, and content.
func readPrefixes(l *probe.Lease, options []byte) {
	for len(options) >= 8 {
		length := 8 * int(options[1])
		if length == 0 || length > len(options) {
			return
		}
		if options[0] == optionPrefix && length == 32 {
			prefix := netip.PrefixFrom(netip.AddrFrom16([16]byte(options[16:32])), int(options[2]))
			if options[3]&flagOnLink != 0 {
				l.OnLink = append(l.OnLink, prefix)
			}
			if options[3]&flagAutonomous != 0 {
				l.Autonomous = append(l.Autonomous, prefix)
			}
		}
		options = options[length:]
	}
}
