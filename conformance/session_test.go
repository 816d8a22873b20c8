// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rhyzome/rhyzome/sdk/memory"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func TestALimitIsNoPass(t *testing.T) {
	t.Parallel()
	b := memory.NewBackend()
	target := InProcess(func() provider.Provider { return memory.New(b) }, quick)
	defer target.Close()
	limited := params
	limited.Limits.Parallel = 3
	report, err := Runner{
		Target: target, Params: limited, Focus: regexp.MustCompile("^(PROVIDER-PARALLEL-001|BACKEND-FOREIGN-001|INSTANCE-GET-001)$"),
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Outcome{"PROVIDER-PARALLEL-001": Limit, "BACKEND-FOREIGN-001": Limit, "INSTANCE-GET-001": Pass}
	for _, r := range report.Results {
		if r.Outcome != want[r.ID] {
			t.Errorf("%s: %s %s", r.ID, r.Outcome, r.Detail)
		}
	}
	if !strings.Contains(report.Summary(), "2 limit") || !strings.Contains(report.Results[0].Detail, "3 at a time instead of 20") {
		t.Errorf("%s; %s", report.Summary(), report.Results[0].Detail)
	}
}

func TestSweepRemovesOnlyWhatTheSuiteMade(t *testing.T) {
	t.Parallel()
	b := memory.NewBackend()
	target := InProcess(func() provider.Provider { return memory.New(b) }, quick)
	defer target.Close()
	runner := Runner{Target: target, Params: params}

	// A run that ends without a word leaves a network with a port, and somebody else has a network too.
	s := newSession(runner.withDefaults())
	ctx := t.Context()
	if err := s.begin(ctx); err != nil {
		t.Fatal(err)
	}
	for _, k := range []kind{networkKind(), portKind()} {
		d, err := k.draft(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if k.name == provider.KindNetwork {
			d.tag.SpecDigest = "sha256:somebody"
		}
		if _, err := s.make(ctx, k, d); err != nil {
			t.Fatal(err)
		}
	}
	if left := b.Objects(); len(left) != 3 {
		t.Fatalf("there are %v", left)
	}
	removed, err := runner.Sweep(ctx)
	if err != nil || len(removed) != 2 || !strings.HasPrefix(removed[0], "port ") || !strings.HasPrefix(removed[1], "network ") {
		t.Errorf("removed %v, %v", removed, err)
	}
	if left := b.Objects(); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestARunThatIsGivenUpCleansUp(t *testing.T) {
	t.Parallel()
	b := memory.NewBackend()
	target := InProcess(func() provider.Provider { return memory.New(b) }, quick)
	defer target.Close()
	slow := params
	slow.Config = map[string]any{"step_delay_ms": 100}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(b.Objects()) == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	defer cancel()
	report, err := Runner{Target: target, Params: slow, Focus: regexp.MustCompile("^INSTANCE-(APPLY-001|POWER-001)$")}.Run(ctx)
	if !errors.Is(err, context.Canceled) || len(report.Results) != 0 {
		t.Errorf("%d results, %v", len(report.Results), err)
	}
	if left := b.Objects(); len(left) > 0 || report.Leftover != "" {
		t.Errorf("left: %v; %s", left, report.Leftover)
	}
}

func TestWhatStaysIsALeftover(t *testing.T) {
	t.Parallel()
	b := memory.NewBackend()
	target := InProcess(func() provider.Provider { return memory.New(b) }, quick)
	defer target.Close()
	littered := params
	littered.Hooks.ListLeftovers = "echo a file"
	report, err := Runner{Target: target, Params: littered, Focus: regexp.MustCompile("^INSTANCE-GET-001$")}.Run(t.Context())
	if err != nil || !strings.Contains(report.Leftover, "a file") {
		t.Errorf("left behind: %q, %v", report.Leftover, err)
	}
}

func TestAFailureShowsTheCallsAndNoConfiguration(t *testing.T) {
	t.Parallel()
	target := InProcess(func() provider.Provider { return missesNothing{broken{memory.New(memory.NewBackend())}} }, quick)
	defer target.Close()
	report, err := Runner{Target: target, Params: params, Focus: regexp.MustCompile("^INSTANCE-DELETE-001$")}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calls := report.Results[0].Calls
	if !slices.ContainsFunc(calls, func(c Call) bool {
		return c.Method == "InstanceService/DeleteInstance" && strings.Contains(c.Request, `"fence"`) && strings.HasPrefix(c.Error, "NotFound: ")
	}) {
		t.Errorf("calls: %+v", calls)
	}
	for _, c := range calls {
		if strings.Contains(c.Request, "step_delay_ms") {
			t.Errorf("the configuration is shown: %+v", c)
		}
	}
}

// TestSchemaKnowsEveryParameter holds the schema to the struct.
func TestSchemaKnowsEveryParameter(t *testing.T) {
	type node struct {
		Ref        string                     `json:"$ref"`
		Defs       map[string]json.RawMessage `json:"$defs"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var root node
	if err := json.Unmarshal(ParamsSchema, &root); err != nil {
		t.Fatal(err)
	}
	var compare func(at string, schema []byte, in reflect.Type)
	compare = func(at string, schema []byte, in reflect.Type) {
		var n node
		if err := json.Unmarshal(schema, &n); err != nil {
			t.Fatal(err)
		}
		if shared, ok := root.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")]; ok {
			compare(at, shared, in)
			return
		}
		var fields []string
		for f := range in.Fields() {
			name := f.Tag.Get("yaml")
			if strings.HasPrefix(at, "/dataplane/guest_") && name == "address" {
				continue // a guest gets a lease; the address is of the outside
			}
			fields = append(fields, name)
			property, ok := n.Properties[name]
			if !ok {
				t.Errorf("the schema lacks %s/%s", at, name)
			} else if f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == in.PkgPath() {
				compare(at+"/"+name, property, f.Type)
			}
		}
		for name := range n.Properties {
			if !slices.Contains(fields, name) {
				t.Errorf("the schema has %s/%s, which nobody reads", at, name)
			}
		}
	}
	compare("", ParamsSchema, reflect.TypeFor[Params]())
}

func TestCarve(t *testing.T) {
	p := Params{}.withDefaults().Network
	for got, want := range map[provider.Subnet]string{
		p.subnet4(0):   "10.213.0.0/24 10.213.0.1",
		p.subnet4(3):   "10.213.3.0/24 10.213.3.1",
		p.subnet4(257): "10.213.1.0/24 10.213.1.1",
		p.subnet6(300): "fd72:687a:f0:12c::/64 fd72:687a:f0:12c::1",
	} {
		if text := got.CIDR.String() + " " + got.Gateway.String(); text != want {
			t.Errorf("%s, want %s", text, want)
		}
	}
	p.IPv4 = netip.MustParsePrefix("192.168.8.0/21")
	if got := p.subnet4(9).CIDR.String(); got != "192.168.9.0/24" {
		t.Errorf("in a small range: %s", got)
	}
	if got := p.segment(1001); got != 3001 {
		t.Errorf("segment %d", got)
	}
}
