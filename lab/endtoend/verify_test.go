// SPDX-License-Identifier: Apache-2.0

package endtoend_test

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestVerifyNoticesALeak opens a hole in the router by hand: the proof must not hold then, and must again afterwards.
func TestVerifyNoticesALeak(t *testing.T) {
	ctx := limit(t, 6*time.Minute)
	sh(ctx, t, "router", "nft insert rule inet fw4 forward accept")
	out, err := rhyzome(io.Discard, "lab", "verify", "--dir", one.dir)
	sh(ctx, t, "router", "fw4 reload")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("verify although the router forwards everything: %v\n%s", err, out)
	}
	if !strings.Contains(out, "FAIL  alice/web1 -> bob/web1") && !strings.Contains(out, "FAIL  laptop -> bob/web1") {
		t.Errorf("the table does not name the leak:\n%s", out)
	}
	if out, err := rhyzome(io.Discard, "lab", "verify", "--dir", one.dir); err != nil {
		t.Errorf("after fw4 reload: %v\n%s", err, out)
	}
}

// TestRulesFollowFromConfig adds a rule to the router's /etc/config by hand: only fw4 reload makes it count, and what is
// measured changes.
func TestRulesFollowFromConfig(t *testing.T) {
	ctx := limit(t, 3*time.Minute)
	probe := "busybox timeout 4 busybox wget -q -O - http://" + routerAddress(t) + "/"
	if _, err := onMachine(ctx, t, "laptop").Run(ctx, "sh", "-c", probe); err == nil {
		t.Fatal("the laptop reaches the router's own web server")
	}
	if tables := sh(ctx, t, "router", "nft list tables"); tables != "table inet fw4\n" {
		t.Errorf("the router's kernel holds more than fw4's table:\n%s", tables)
	}
	if was, is := rules(ctx, t), reloaded(ctx, t); was != is {
		t.Errorf("rules that do not follow from /etc/config:\n%s\nafter a reload:\n%s", was, is)
	}
	sh(ctx, t, "router", "cp -p /etc/config/firewall /tmp/firewall.before")
	defer sh(ctx, t, "router", "cp -p /tmp/firewall.before /etc/config/firewall && fw4 -q reload")
	zone := strings.TrimSpace(sh(ctx, t, "router", `sed -n "s/^.*option name 'rz_\(.*\)'/rz_\1/p" /etc/config/firewall | sort -u`))
	for _, z := range strings.Fields(zone) {
		sh(ctx, t, "router", "printf \"\\nconfig rule\\n\\toption src '"+z+"'\\n\\toption proto 'tcp'\\n\\toption dest_port '80'\\n\\toption target 'ACCEPT'\\n\" >>/etc/config/firewall")
	}
	if _, err := onMachine(ctx, t, "laptop").Run(ctx, "sh", "-c", probe); err == nil {
		t.Error("the rule counts before fw4 reload")
	}
	sh(ctx, t, "router", "fw4 -q reload")
	if _, err := onMachine(ctx, t, "laptop").Run(ctx, "sh", "-c", probe); err != nil {
		t.Errorf("the rule in /etc/config does not count after fw4 reload: %v", err)
	}
}

// rules are all of the router's, without what they counted.
func rules(ctx context.Context, t *testing.T) string {
	t.Helper()
	return sh(ctx, t, "router", "nft -s list ruleset | grep -v '^#'")
}

// reloaded are the rules as /etc/config says now.
func reloaded(ctx context.Context, t *testing.T) string {
	t.Helper()
	sh(ctx, t, "router", "fw4 -q reload")
	return rules(ctx, t)
}

// routerAddress is the router's address in alice's network.
func routerAddress(t *testing.T) string {
	t.Helper()
	ctx := limit(t, time.Minute)
	n, err := api(ctx, t).Networks.Get(ctx, "alice", "net")
	if err != nil {
		t.Fatal(err)
	}
	return n.Status.Subnets[0].Gateway
}
