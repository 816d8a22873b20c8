// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"github.com/rhyzome/rhyzome/sdk/fault"
)

const tokenPrefix = "rhyzome-join-1"

// Token admits one provider, once. As text it is one word: it names the CA that the core must show before it is told
// the secret.
type Token struct {
	CA     [sha256.Size]byte // SHA-256 of the CA's certificate
	Secret string            // of [A-Za-z0-9_-]
}

// Text returns the token as ParseToken reads it. It is a secret.
func (t Token) Text() string {
	return strings.Join([]string{tokenPrefix, base64.RawURLEncoding.EncodeToString(t.CA[:]), t.Secret}, ".")
}

// String hides the secret from logs.
func (t Token) String() string { return tokenPrefix + ".(secret)" }

// ParseToken reads a token's text; TokenInvalid if it is none.
func ParseToken(text string) (Token, error) {
	parts := strings.Split(strings.TrimSpace(text), ".")
	if len(parts) != 3 || parts[0] != tokenPrefix || parts[2] == "" {
		return Token{}, fault.New(fault.TokenInvalid, "this is not a join token: it should look like %s.….…", tokenPrefix)
	}
	sum, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || len(sum) != sha256.Size {
		return Token{}, fault.New(fault.TokenInvalid, "the join token is damaged: copy the whole of it")
	}
	return Token{CA: [sha256.Size]byte(sum), Secret: parts[2]}, nil
}

// KeyFingerprint returns how people recognise a public key: "SHA256:" and the hash of its SubjectPublicKeyInfo (RFC 5280)
// in base64 without padding.
func KeyFingerprint(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), nil
}

// Fingerprint returns what a token says of a CA's certificate.
func Fingerprint(ca *x509.Certificate) [sha256.Size]byte { return sha256.Sum256(ca.Raw) }
