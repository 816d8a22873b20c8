// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/rhyzome/rhyzome/cmd/rhyzome/cli"
	"github.com/rhyzome/rhyzome/core/auth"
	"github.com/rhyzome/rhyzome/core/rest"
	"github.com/rhyzome/rhyzome/core/rest/resttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rhyzome": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		code := cli.Run(ctx, cli.NewRootCommand("test"))
		stop()
		os.Exit(code)
	}})
}

// TestScripts runs each script of testdata against the real API on a cloud in memory of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": exitCode, "mode": mode,
		},
		RequireExplicitExec: true,
	})
}

func setUp(env *testscript.Env) error {
	dir := env.WorkDir
	tokens, err := auth.Open(dir)
	if err != nil {
		return err
	}
	handler, err := rest.New(resttest.New().Services(), tokens, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	core := httptest.NewTLSServer(handler)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>no upstream</html>", http.StatusBadGateway)
	}))
	env.Defer(core.Close)
	env.Defer(proxy.Close)
	env.Vars = append(env.Vars, "RHYZOME_URL="+core.URL, "RHYZOME_CA_FILE="+filepath.Join(dir, "ca.pem"),
		"RHYZOME_TOKEN_FILE="+filepath.Join(dir, auth.OperatorTokenFile), "RHYZOME_CONTEXTS="+filepath.Join(dir, "home", "contexts.yaml"),
		"PROXY="+proxy.URL, "TZ=UTC")
	return errors.Join(writeCertificate(filepath.Join(dir, "ca.pem"), core.Certificate().Raw), writeOther(filepath.Join(dir, "other.pem")))
}

func writeCertificate(file string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// exitCode runs a command that must end with a code: exitcode 3 rhyzome project get nobody.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if neg || got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// mode checks the permissions of a file: mode 600 FILE.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(args[1])
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("mode of %s is %s, want %s", args[1], got, args[0])
	}
}

// TestHelpIsComplete walks all commands: each says what it does, and shows examples that work.
func TestHelpIsComplete(t *testing.T) {
	root := cli.NewRootCommand("test")
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			walk(c)
		}
		if cmd.Name() == "completion" || cmd.Name() == "help" || cmd.HasParent() && cmd.Parent().Name() == "completion" {
			return // cobra's own
		}
		if cmd.Short == "" {
			t.Errorf("%s: no short help", cmd.CommandPath())
		}
		if cmd.HasParent() && cmd.Runnable() && cmd.Example == "" {
			t.Errorf("%s: no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			checkExample(t, root, cmd, line)
		}
	}
	walk(root)
}

// checkExample finds the command of an example, and its flags.
func checkExample(t *testing.T, root, of *cobra.Command, line string) {
	at := strings.LastIndex(line, "rhyzome ")
	if at < 0 {
		t.Errorf("%s: the example %q does not call rhyzome", of.CommandPath(), line)
		return
	}
	cmd, rest, err := root.Find(strings.Fields(line[at:])[1:])
	if err != nil || cmd == root {
		t.Errorf("%s: the example %q: %v", of.CommandPath(), line, err)
		return
	}
	for _, word := range rest {
		name, isFlag := strings.CutPrefix(word, "--")
		if isFlag && name != "" && cmd.Flag(name) == nil && name != "help" {
			t.Errorf("%s: the example %q has the unknown flag --%s", of.CommandPath(), line, name)
		}
	}
}
