// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/rhyzome/rhyzome/conformance/probe"
)

// echoInterval is how often an echo request is repeated: the first one may be lost to address resolution.
const echoInterval = 500 * time.Millisecond

// ICMP's protocol numbers, by which replies are parsed.
const (
	protocolICMP   = 1
	protocolICMPv6 = 58
)

// Ping implements Client.Ping.
func (a *agent) Ping(args probe.PingArgs, answered *bool) error {
	network, protocol := "ip4:icmp", protocolICMP
	var request, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if args.Address.Is6() {
		network, protocol = "ip6:ipv6-icmp", protocolICMPv6
		request, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	conn, err := icmp.ListenPacket(network, unspecified(args.Address).String())
	if err != nil {
		return err
	}
	defer conn.Close()
	id := rand.IntN(1 << 16)
	message, err := (&icmp.Message{Type: request, Body: &icmp.Echo{ID: id, Data: []byte("rhyzome")}}).Marshal(nil)
	if err != nil {
		return err
	}
	to := &net.IPAddr{IP: args.Address.AsSlice(), Zone: args.Address.Zone()}
	for deadline := time.Now().Add(args.Patience); time.Now().Before(deadline); {
		if _, err := conn.WriteTo(message, to); err != nil && !isUnreachable(err) {
			return err
		}
		got, err := awaitEcho(conn, protocol, reply, id, time.Now().Add(echoInterval))
		if got || err != nil {
			*answered = got
			return err
		}
	}
	return nil
}

// awaitEcho reads until the reply to our request comes, or the time is over.
func awaitEcho(conn *icmp.PacketConn, protocol int, reply icmp.Type, id int, until time.Time) (bool, error) {
	if err := conn.SetReadDeadline(until); err != nil {
		return false, err
	}
	packet := make([]byte, 1500)
	for {
		n, _, err := conn.ReadFrom(packet)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		message, err := icmp.ParseMessage(protocol, packet[:n])
		if err != nil || message.Type != reply {
			continue
		}
		if echo, ok := message.Body.(*icmp.Echo); ok && echo.ID == id {
			return true, nil
		}
	}
}

// Lookup implements Client.Lookup.
func (a *agent) Lookup(q probe.Question, answer *probe.Answer) error {
	ctx, cancel := context.WithTimeout(context.Background(), probe.LookupPatience)
	defer cancel()
	server := netip.AddrPortFrom(q.Server, 53).String()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}}
	found, err := resolver.LookupNetIP(ctx, "ip", q.Name)
	var wrong *net.DNSError
	if errors.As(err, &wrong) { // that there is no such name is an answer, too
		answer.Silent = !wrong.IsNotFound
		return nil
	}
	for _, addr := range found {
		answer.Addresses = append(answer.Addresses, addr.Unmap())
	}
	return err
}
