// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhyzome/rhyzome/sdk/attach"
)

func TestHelpSchemaVersion(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"--help"}} {
		if status, out, _ := command(t, "", args...); status != 0 || !strings.Contains(out, "attach") || !strings.Contains(out, "join") {
			t.Errorf("%v: %d, %s", args, status, out)
		}
	}
	status, out, _ := command(t, "", "schema")
	var schema map[string]any
	if err := json.Unmarshal([]byte(out), &schema); status != 0 || err != nil || schema["type"] != "object" {
		t.Errorf("schema: %d, %v, %s", status, err, out)
	}
	if status, out, _ := command(t, "", "version"); status != 0 || out != "memory 0.1.0 (sdk 0.0.0-dev, contract 1)\n" {
		t.Errorf("version: %d, %q", status, out)
	}
	for _, args := range [][]string{{"dance"}, {"--nope"}, {"check", "extra"}, {"listen"}, {"listen", "--address", "nowhere"}} {
		if status, _, err := command(t, "", args...); status != 1 || !strings.HasPrefix(err, "Error: ") {
			t.Errorf("%v: %d, %s", args, status, err)
		}
	}
}

func TestJoin(t *testing.T) {
	core, dir := newFakeCore(t, newAuthority(t)), filepath.Join(t.TempDir(), "state")
	join := func(stdin string, more ...string) (int, string, string) {
		return command(t, stdin, append([]string{"join", "--core", core.address, "--state-dir", dir, "--token-file", "-"}, more...)...)
	}
	bad := core.token()
	bad = bad[:len(bad)-1]
	if status, _, err := join(bad); status != 1 || !strings.Contains(err, "token_used") || !strings.Contains(err, "Create a new token") {
		t.Errorf("bad secret: %d, %s", status, err)
	}
	stranger := attach.Token{CA: attach.Fingerprint(newAuthority(t).cert), Secret: core.secret}.Text()
	before := core.enrols.Load()
	if status, _, err := join(stranger); status != 1 || !strings.Contains(err, "its CA is another one") {
		t.Errorf("another cloud's token: %d, %s", status, err)
	}
	if core.enrols.Load() != before {
		t.Error("the secret was told to a core whose CA is not the token's")
	}
	if _, err := os.Stat(identityFile(dir)); err == nil {
		t.Fatal("a join that failed left an identity")
	}
	status, out, errText := join(core.token() + "\n")
	if status != 0 || !strings.Contains(out, "Joined as provider hv1") || !strings.Contains(out, "rhyzome-memory --state-dir "+dir+" attach") {
		t.Fatalf("%d, %s, %s", status, out, errText)
	}
	if strings.Contains(out, core.secret+"\n") {
		t.Error("the secret was printed")
	}
	info, err := os.Stat(identityFile(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("identity: %v, %v", info, err)
	}
	id, err := readIdentity(dir)
	if err != nil || id.ProviderName != "hv1" || id.ProviderID != "id-1" || id.Core[0] != core.address {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := id.tls(); err != nil {
		t.Error(err)
	}
	if status, _, err := join(core.token()); status != 1 || !strings.Contains(err, "has joined already, as provider hv1") {
		t.Errorf("a second time: %d, %s", status, err)
	}
	if status, _, err := join(core.token(), "--replace"); status != 0 {
		t.Errorf("replace: %d, %s", status, err)
	}
}

func TestJoinRefusesBadInput(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, "token", "nonsense")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"join"}, "--core HOST:PORT"},
		{[]string{"join", "--core", "127.0.0.1:1"}, "--token-file"},
		{[]string{"join", "--core", "127.0.0.1:1", "--token-file", "/nowhere"}, "no such file"},
		{[]string{"join", "--core", "127.0.0.1:1", "--token-file", file}, "not a join token"},
		{[]string{"join", "secret"}, "join takes no arguments"},
	} {
		if status, _, err := command(t, "", append(c.args, "--state-dir", dir)...); status != 1 || !strings.Contains(err, c.want) {
			t.Errorf("%v: %d, %s", c.args, status, err)
		}
	}
}

func TestJoinTriesTheNextCore(t *testing.T) {
	core := newFakeCore(t, newAuthority(t))
	args := []string{"join", "--core", "127.0.0.1:1," + core.address, "--state-dir", t.TempDir(), "--token-file", "-"}
	if status, _, err := command(t, core.token(), args...); status != 0 {
		t.Errorf("%d, %s", status, err)
	}
	args[2] = "127.0.0.1:1"
	if status, _, err := command(t, core.token(), append(args, "--replace")...); status != 1 || !strings.Contains(err, "core_unreachable") {
		t.Errorf("%d, %s", status, err)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	check := func(config string) (int, string, string) {
		return command(t, "", "check", "--state-dir", dir, "--config", writeFile(t, "provider.yaml", config))
	}
	if status, out, err := check("config: {step_delay_ms: 5}\n"); status != 0 || !strings.Contains(out, "configuration: ok") ||
		!strings.Contains(out, "backend: ok") || !strings.Contains(out, "identity: none yet") {
		t.Errorf("%d, %s, %s", status, out, err)
	}
	status, out, err := check("config: {step_delay_ms: -1, colour: red}\n")
	if status != 1 || out != "" || !strings.Contains(err, "/step_delay_ms") || !strings.Contains(err, "colour") {
		t.Errorf("%d, %s, %s", status, out, err)
	}
	newAuthority(t).enrolled(dir, "127.0.0.1:1")
	if status, out, err := check(""); status != 0 || !strings.Contains(out, "identity: provider hv1, until") {
		t.Errorf("%d, %s, %s", status, out, err)
	}
	if err := os.Chmod(identityFile(dir), 0o640); err != nil {
		t.Fatal(err)
	}
	if status, _, err := check(""); status != 1 || !strings.Contains(err, "chmod 600") {
		t.Errorf("others may read it: %d, %s", status, err)
	}
	if status, _, err := command(t, "", "attach", "--state-dir", dir); status != 1 || !strings.Contains(err, "chmod 600") {
		t.Errorf("others may read it: attach: %d, %s", status, err)
	}
	if err := os.Chmod(identityFile(dir), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(identityFile(dir), []byte(`{"key":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, err := check(""); status != 1 || !strings.Contains(err, "identity is damaged") {
		t.Errorf("%d, %s", status, err)
	}
}

func TestAttachWithoutIdentity(t *testing.T) {
	status, _, err := command(t, "", "attach", "--state-dir", t.TempDir())
	if status != 1 || !strings.Contains(err, "rhyzome-memory join first") {
		t.Errorf("%d, %s", status, err)
	}
}
