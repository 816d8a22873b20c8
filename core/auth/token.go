// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// A token is its prefix, 256 random bits and a checksum of both, so that scanners find leaked ones and a mistyped one
// is told from an unknown one without looking anywhere.
const (
	prefix      = "rzt_"
	randomSize  = 32
	encodedSize = 52 // of the random bits
	tokenSize   = len(prefix) + encodedSize + 7
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newToken returns a fresh secret.
func newToken() string {
	var random [randomSize]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	body := prefix + encoding.EncodeToString(random[:])
	return body + checksum(body)
}

func checksum(body string) string {
	return encoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))))
}

// wellFormed reports whether the token could be one of ours.
func wellFormed(token string) bool {
	if len(token) != tokenSize || !strings.HasPrefix(token, prefix) {
		return false
	}
	body := token[:len(prefix)+encodedSize]
	return token[len(body):] == checksum(body)
}

// hash is what is kept of a token. It is not slow on purpose: 256 random bits cannot be guessed.
func hash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }
