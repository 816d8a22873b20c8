// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// setUserTimeout ends the connection when sent data stays unacknowledged for userTimeout. grpc-go does so only on a
// bare TCP connection, and TLS hides ours.
func setUserTimeout(c net.Conn) error {
	tcp := socket(c)
	if tcp == nil {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
	return errors.Join(err, set)
}
