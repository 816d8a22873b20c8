// SPDX-License-Identifier: Apache-2.0

package openwrt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// DHCPv6 (RFC 8415): what this client sends and looks for.
const (
	msgSolicit    = 1
	msgAdvertise  = 2
	optClientID   = 1
	optIANA       = 3
	optIAAddr     = 5
	optElapsed    = 8
	solicitTries  = 10
	solicitPeriod = time.Second
)

// solicit asks for an address on an interface, and prints what is offered. There is no DHCPv6 client in the machines.
func solicit(device, mac string) int {
	addr, err := offered(device, mac)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(addr)
	return 0
}

func offered(device, mac string) (netip.Addr, error) {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		return netip.Addr{}, err
	}
	conn, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6unspecified, Port: 546})
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	server := &net.UDPAddr{IP: net.ParseIP("ff02::1:2"), Port: 547, Zone: device}
	answer := make([]byte, 1500)
	for range solicitTries {
		if _, err := conn.WriteTo(solicitation(hw), server); err != nil {
			return netip.Addr{}, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(solicitPeriod)); err != nil {
			return netip.Addr{}, err
		}
		n, _, err := conn.ReadFrom(answer)
		if err == nil && n > 4 && answer[0] == msgAdvertise {
			return addressIn(answer[4:n])
		}
	}
	return netip.Addr{}, errors.New("no DHCPv6 server answers")
}

func solicitation(mac net.HardwareAddr) []byte {
	duid := append([]byte{0, 3, 0, 1}, mac...)
	iana := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	message := []byte{msgSolicit, 1, 2, 3}
	message = appendOption(message, optClientID, duid)
	message = appendOption(message, optElapsed, []byte{0, 0})
	return appendOption(message, optIANA, iana)
}

func appendOption(message []byte, code uint16, content []byte) []byte {
	message = binary.BigEndian.AppendUint16(message, code)
	message = binary.BigEndian.AppendUint16(message, uint16(len(content)))
	return append(message, content...)
}

// addressIn finds the address in an identity association.
func addressIn(options []byte) (netip.Addr, error) {
	for len(options) >= 4 {
		code, length := binary.BigEndian.Uint16(options), int(binary.BigEndian.Uint16(options[2:]))
		if len(options) < 4+length {
			break
		}
		content := options[4 : 4+length]
		switch {
		case code == optIANA && length > 12:
			return addressIn(content[12:])
		case code == optIAAddr && length >= 16:
			return netip.AddrFrom16([16]byte(content[:16])), nil
		}
		options = options[4+length:]
	}
	return netip.Addr{}, errors.New("the server offers no address")
}
