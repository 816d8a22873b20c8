// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSignedReport(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := someReport()
	r.Results[1].Detail = "it said\n---\nand more" // looks like the end of the document
	r.Capabilities = []string{"power"}
	r.Results[1].Fix = "" // not in the file: explain tells it
	signed, err := r.Marshal(private)
	if err != nil {
		t.Fatal(err)
	}
	back, signer, err := Unmarshal(signed, public)
	if err != nil || !signer.Equal(public) || !cmp.Equal(back, r) {
		t.Fatalf("%v\n%s\n%s", err, cmp.Diff(r, back), signed)
	}
	if _, signer, err := Unmarshal(signed, nil); err != nil || !signer.Equal(public) {
		t.Errorf("without a key: %v", err)
	}
	plain, err := r.Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, signer, err := Unmarshal(plain, nil); err != nil || signer != nil {
		t.Errorf("an unsigned report: %v", err)
	}

	other, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file []byte
		key  ed25519.PublicKey
		want string
	}{
		"changed":          {bytes.Replace(signed, []byte("outcome: fail"), []byte("outcome: pass"), 1), nil, "was changed"},
		"another key":      {signed, other, "another key"},
		"not signed":       {plain, public, "not signed"},
		"cut off":          {signed[:len(signed)-40], nil, "signature"},
		"no report":        {[]byte("hello: world\n"), nil, "no report"},
		"nothing":          {[]byte("{}\n"), nil, "no report"},
		"more behind":      {append(bytes.Clone(signed), "unknown: field\n"...), nil, "stands behind"},
		"a third document": {append(bytes.Clone(signed), "---\nresults: []\n"...), nil, "stands behind"},
		"two reports":      {append(bytes.Clone(plain), append([]byte("--- \n"), plain...)...), nil, "stands behind"},
		"another document": {append(bytes.Clone(plain), "---\nalgorithm: none\n"...), nil, "no Ed25519 key"},
	} {
		if _, _, err := Unmarshal(c.file, c.key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	secretFile := write("PRIVATE KEY", der, err)
	if got, err := LoadSigningKey(secretFile); err != nil || !got.Equal(private) {
		t.Errorf("the private key: %v", err)
	}
	der, err = x509.MarshalPKIXPublicKey(public)
	publicFile := write("PUBLIC KEY", der, err)
	if got, err := LoadVerifyingKey(publicFile); err != nil || !got.Equal(public) {
		t.Errorf("the public key: %v", err)
	}
	if _, err := LoadSigningKey(publicFile); err == nil {
		t.Error("a public key signs")
	}
	if _, err := LoadVerifyingKey(secretFile); err == nil {
		t.Error("a private key passes for a public one")
	}
}
