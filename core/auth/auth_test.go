// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rhyzome/rhyzome/core/auth"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func TestFirstStartMakesATokenThatStays(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	file := filepath.Join(dir, auth.OperatorTokenFile)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	token := read(t, file)
	for _, tokens := range []*auth.Tokens{first, open(t, dir)} {
		if p, err := tokens.Authenticate(token); err != nil || p.Name != "operator" {
			t.Errorf("Authenticate = %v, %v", p, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the directory holds %v", entries)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	tokens := open(t, dir)
	open(t, other)
	token := read(t, filepath.Join(dir, auth.OperatorTokenFile))
	for name, c := range map[string]struct{ token, says string }{
		"none":           {"", "no bearer token"},
		"another core's": {read(t, filepath.Join(other, auth.OperatorTokenFile)), "not known"},
		"cut off":        {token[:len(token)-1], "checksum"},
		"longer":         {token + "a", "checksum"},
		"one letter":     {flip(token, 10), "checksum"},
		"in the sum":     {flip(token, len(token)-1), "checksum"},
		"other prefix":   {"abc_" + token[4:], "checksum"},
		"upper case":     {strings.ToUpper(token), "checksum"},
	} {
		_, err := tokens.Authenticate(c.token)
		if fault.ReasonOf(err) != fault.Unauthorized || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want unauthorized: %s", name, err, c.says)
		}
		if c.token != "" && strings.Contains(err.Error(), c.token) {
			t.Errorf("%s: the error echoes the token", name)
		}
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"others may read": {"", 0o644, "chmod 600"},
		"empty":           {"", 0o600, "holds no token"},
		"not a token":     {"hunter2\n", 0o600, "holds no token"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, auth.OperatorTokenFile)
		if err := os.WriteFile(file, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := auth.Open(dir)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if got := read(t, file); got != strings.TrimSpace(c.content) {
			t.Errorf("%s: the file was changed to %q", name, got)
		}
	}
	if _, err := auth.Open(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent directory was accepted")
	}
}

func TestStartingAtOnceGivesOneToken(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	all := make([]*auth.Tokens, 8)
	for i := range all {
		wg.Go(func() { all[i], _ = auth.Open(dir) })
	}
	wg.Wait()
	token := read(t, filepath.Join(dir, auth.OperatorTokenFile))
	for i, tokens := range all {
		if tokens == nil {
			t.Fatalf("start %d failed", i)
		}
		if _, err := tokens.Authenticate(token); err != nil {
			t.Errorf("start %d knows another token: %v", i, err)
		}
	}
}

func TestPrincipalTravelsInTheContext(t *testing.T) {
	if p, ok := auth.From(t.Context()); ok {
		t.Errorf("nobody is %v", p)
	}
	if p, ok := auth.From(auth.With(t.Context(), auth.Principal{Name: "ann"})); !ok || p.Name != "ann" {
		t.Errorf("principal = %v, %v", p, ok)
	}
}

func open(t *testing.T, dir string) *auth.Tokens {
	t.Helper()
	tokens, err := auth.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

func flip(s string, i int) string {
	c := byte('a')
	if s[i] == c {
		c = 'b'
	}
	return s[:i] + string(c) + s[i+1:]
}
