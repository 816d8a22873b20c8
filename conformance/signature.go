// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"gopkg.in/yaml.v3"
)

// A report's file holds one or two documents of YAML: the report, and its signature.
const separator = "---\n"

// signature is the second document.
type signature struct {
	Algorithm string `yaml:"algorithm"`  // "ed25519" (RFC 8032), over the bytes of the first document
	PublicKey string `yaml:"public_key"` // base64
	Signature string `yaml:"signature"`  // base64
}

// Marshal returns the report's file. It is signed if a key is given.
func (r Report) Marshal(key ed25519.PrivateKey) ([]byte, error) {
	content, err := yaml.Marshal(r)
	if err != nil || key == nil {
		return content, err
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the key is not an Ed25519 key")
	}
	signed, err := yaml.Marshal(signature{
		Algorithm: "ed25519", PublicKey: base64.StdEncoding.EncodeToString(public),
		Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, content)),
	})
	return append(append(content, separator...), signed...), err
}

// Unmarshal reads a report's file. With a key, the report must be signed with it; without one, a signature is checked
// against the key that it names, which proves only that the report is whole. signer is nil if there is no signature.
func Unmarshal(file []byte, key ed25519.PublicKey) (r Report, signer ed25519.PublicKey, err error) {
	content, rest, signed := bytes.Cut(file, []byte("\n"+separator))
	if signed {
		content = append(content[:len(content):len(content)], '\n')
		if signer, err = verify(content, rest, key); err != nil {
			return r, nil, err
		}
	} else if key != nil {
		return r, nil, errors.New("the report is not signed")
	}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	dec.KnownFields(true)
	if err := dec.Decode(&r); err != nil {
		return Report{}, nil, fmt.Errorf("this is no report: %w", err)
	}
	if r.Plugin == "" || r.Profile == "" || len(r.Results) == 0 {
		return Report{}, nil, errors.New("this is no report: it lacks the plugin, the profile, or results")
	}
	if err := dec.Decode(&Report{}); !errors.Is(err, io.EOF) {
		return Report{}, nil, errors.New("this is no report: something stands behind it")
	}
	return r, signer, nil
}

func verify(content, rest []byte, key ed25519.PublicKey) (ed25519.PublicKey, error) {
	var s signature
	if err := yaml.Unmarshal(rest, &s); err != nil {
		return nil, fmt.Errorf("the signature cannot be read: %w", err)
	}
	public, err := base64.StdEncoding.DecodeString(s.PublicKey)
	if err != nil || len(public) != ed25519.PublicKeySize || s.Algorithm != "ed25519" {
		return nil, errors.New("the signature names no Ed25519 key")
	}
	written, err := yaml.Marshal(s)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(rest, written) { // nothing signs the signature's own document
		return nil, errors.New("the signature is not as it was written, or something stands behind it")
	}
	signed, err := base64.StdEncoding.DecodeString(s.Signature)
	switch {
	case err != nil || !ed25519.Verify(public, content, signed):
		return nil, errors.New("the signature does not fit the report: it was changed")
	case key != nil && !key.Equal(ed25519.PublicKey(public)):
		return nil, errors.New("the report is signed with another key")
	}
	return public, nil
}

// LoadSigningKey reads an Ed25519 private key in PEM, PKCS #8, as openssl genpkey -algorithm ed25519 writes it.
func LoadSigningKey(path string) (ed25519.PrivateKey, error) {
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds no Ed25519 key; make one with: openssl genpkey -algorithm ed25519 -out %s", path, path)
	}
	return private, nil
}

// LoadVerifyingKey reads an Ed25519 public key in PEM, as openssl pkey -pubout writes it.
func LoadVerifyingKey(path string) (ed25519.PublicKey, error) {
	der, err := readPEM(path, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s holds no Ed25519 key", path)
	}
	return public, nil
}

func readPEM(path, kind string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}
