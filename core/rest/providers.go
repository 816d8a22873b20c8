// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/swaggest/jsonschema-go"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

func (a *api) providers() {
	const tag, all, one = "providers", "/v1/providers", "/v1/providers/{provider}"

	add(a, route{
		method: http.MethodPost, path: all + ":token", id: "createProviderToken", tag: tag, title: "Create a provider and its join token",
		about:  "The token admits one provider, once, and is shown only here.",
		status: http.StatusCreated, faults: []fault.Reason{fault.NameTaken, fault.BadState},
	}, func(ctx context.Context, in core.NewToken) (joining, error) {
		p, token, err := a.Providers.CreateToken(ctx, in)
		return joining{Provider: p, Token: token}, err
	})

	add(a, route{
		method: http.MethodPost, path: all, id: "addLocalProvider", tag: tag, title: "Add a provider that the core runs",
		about: "The binary is copied, checked before each start, and runs as a user of its own where the core is root. It is " +
			"started again when it ends, and with the core.",
		status: http.StatusCreated, faults: []fault.Reason{fault.NameTaken},
	}, func(ctx context.Context, in newLocal) (core.Provider, error) {
		return a.Locals.Add(ctx, in.Name, in.core())
	})

	add(a, route{
		method: http.MethodPost, path: one + ":upgrade", id: "upgradeProvider", tag: tag, title: "Run another version of a plugin as a provider",
		about: "For a provider that the core runs. The binary is copied beside the one that runs, and tried: it must be the same plugin, " +
			"and the configuration must fit it. Then it takes the place; if it does not come up within a minute, the one from before does " +
			"again. The provider's local.upgrade tells how that went.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState},
	}, func(ctx context.Context, in newVersion) (core.Provider, error) {
		return a.Locals.Upgrade(ctx, in.Provider, in.core())
	})

	add(a, route{
		method: http.MethodGet, path: all, id: "listProviders", tag: tag, title: "List providers", status: http.StatusOK,
	}, func(ctx context.Context, in Paging) (list[core.Provider], error) {
		return page(a.Providers.ListProviders(ctx, in.page()))
	})

	add(a, route{
		method: http.MethodGet, path: one, id: "getProvider", tag: tag, title: "Get a provider", status: http.StatusOK,
	}, func(ctx context.Context, in inProvider) (core.Provider, error) {
		p, err := a.Providers.GetProvider(ctx, in.Provider)
		if err != nil {
			return p, err
		}
		return a.Locals.Show(p)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":configure", id: "configureProvider", tag: tag, title: "Change the configuration of a provider that the core runs",
		about: "It is held against the schema that the provider serves, then given to the provider, and kept if that takes it; " +
			"else the one from before stays. A provider on another machine has its configuration there.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState, fault.ETagMismatch, fault.ProviderAway, fault.BackendDenied},
	}, func(ctx context.Context, in configuring) (core.ConfigPlan, error) {
		return a.Locals.Configure(ctx, in.Provider, core.Configuration{Config: json.RawMessage(in.Config), Generation: in.Generation, DryRun: in.DryRun})
	})

	add(a, route{
		method: http.MethodPost, path: one + ":dial", id: "dialProvider", tag: tag, title: "Connect to a provider that listens",
		about:  "Where only the core can make connections: it keeps one open that the provider uses, to join as well as to attach. An empty address ends that.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState},
	}, func(ctx context.Context, in dialAddress) (core.Provider, error) {
		return a.Dialling.DialProvider(ctx, in.Provider, in.Address)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":drain", id: "drainProvider", tag: tag, title: "Let a provider finish its work, and take no other",
		about: "Its state is draining, and drained when nothing runs any more. Its next process is told too, until that is taken back. " +
			"Work for it waits.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState, fault.ProviderAway}, optionalBody: true,
	}, func(ctx context.Context, in drainLimit) (core.Provider, error) {
		return a.Draining.DrainProvider(ctx, in.Provider, time.Duration(in.TimeoutSeconds)*time.Second)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":undrain", id: "undrainProvider", tag: tag, title: "Let a provider take work again",
		about: "One that the core runs is started anew, since a process that drains never takes work again. Elsewhere the process " +
			"has to be started anew by hand.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState},
	}, func(ctx context.Context, in inProvider) (core.Provider, error) {
		return a.Draining.UndrainProvider(ctx, in.Provider)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":report", id: "reportProvider", tag: tag, title: "Keep a report of the conformance suite",
		about:  "The numbers of a run with the provider's program. Who sends them vouches for them; the provider shows them.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState},
	}, func(ctx context.Context, in reported) (core.Provider, error) {
		return a.Providers.ReportProvider(ctx, in.Provider, in.ConformanceReport)
	})

	add(a, route{
		method: http.MethodDelete, path: one, id: "deleteProvider", tag: tag, title: "Revoke a provider",
		about:  "Its connection is closed, and its certificate refused from now on.",
		status: http.StatusNoContent, faults: []fault.Reason{fault.HasChildren},
	}, func(ctx context.Context, in inProvider) (nothing, error) {
		return nothing{}, a.Providers.RevokeProvider(ctx, in.Provider)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":approve", id: "approveProvider", tag: tag, title: "Approve the key of a provider",
		about:  "Lets the machine in that redeemed the join token and waits; or, if none waits, says that a contested provider is the right one.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState}, optionalBody: true,
	}, func(ctx context.Context, in approving) (core.Provider, error) {
		return a.Providers.ApproveProvider(ctx, in.Provider, in.KeyFingerprint)
	})

	add(a, route{
		method: http.MethodPost, path: one + ":replace", id: "replaceProvider", tag: tag, title: "Let the contesting machine be the provider",
		about:  "The machine that has a copy of the provider's certificate takes its place. The one that had it is disconnected and refused from now on.",
		status: http.StatusOK, faults: []fault.Reason{fault.BadState}, optionalBody: true,
	}, func(ctx context.Context, in replacement) (core.Provider, error) {
		return a.Providers.ReplaceProvider(ctx, in.Provider, in.MachineID)
	})
}

type inProvider struct {
	Provider string `path:"provider" json:"-" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$" description:"Id or name of the provider."`
}

type approving struct {
	inProvider
	KeyFingerprint string `json:"key_fingerprint,omitempty" maxLength:"100" description:"Of the key that is approved; another one is refused."`
}

type replacement struct {
	inProvider
	MachineID string `json:"machine_id,omitempty" maxLength:"128" description:"Of the machine that is to take the place; another one is refused."`
}

type dialAddress struct {
	inProvider
	Address string `json:"address" required:"true" maxLength:"300" description:"HOST:PORT where the provider listens; empty for one that dials the core."`
}

type drainLimit struct {
	inProvider
	TimeoutSeconds int64 `json:"timeout_seconds,omitempty" minimum:"0" maximum:"604800" description:"How long running work may take to end: what runs longer is cancelled. An hour, if it is left out."`
}

type reported struct {
	inProvider
	core.ConformanceReport
}

type newLocal struct {
	Name string `json:"name" required:"true" minLength:"1" maxLength:"63" pattern:"^[a-z]([a-z0-9-]*[a-z0-9])?$" description:"Of the provider; a DNS label."`
	newBinary
}

type newVersion struct {
	inProvider
	newBinary
}

// newBinary is a plugin that the core is to run.
type newBinary struct {
	Binary    string   `json:"binary" required:"true" minLength:"1" maxLength:"4096" description:"Absolute path of the plugin on the core's machine."`
	SHA256    string   `json:"sha256" required:"true" pattern:"^[0-9a-fA-F]{64}$" description:"Of the binary, in hexadecimal."`
	Signature string   `json:"signature,omitempty" maxLength:"88" pattern:"^[A-Za-z0-9+/]{86}==$" description:"Ed25519 signature of the binary, in base64; needed where the core has keys for that."`
	Config    settings `json:"config,omitempty" description:"The provider's configuration; in an upgrade, in the place of the one that there is. Faults that only the provider finds are in its status."`
}

func (b newBinary) core() core.NewBinary {
	signature, _ := base64.StdEncoding.DecodeString(b.Signature) // its pattern is checked
	return core.NewBinary{Binary: b.Binary, SHA256: b.SHA256, Signature: signature, Config: json.RawMessage(b.Config)}
}

type configuring struct {
	inProvider
	Config     settings `json:"config" required:"true" description:"The whole configuration, in the place of the one that there is."`
	Generation int64    `json:"generation,omitempty" minimum:"0" description:"Of the plan that is to be applied; if the configuration was changed since, it is refused."`
	DryRun     bool     `json:"dry_run,omitempty" description:"Make the plan, and change nothing."`
}

// settings are a JSON object that only a provider reads.
type settings json.RawMessage

// UnmarshalJSON implements json.Unmarshaler: the numbers stay as they are written.
func (s *settings) UnmarshalJSON(text []byte) error {
	*s = bytes.Clone(text)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (s settings) MarshalJSON() ([]byte, error) { return json.RawMessage(s).MarshalJSON() }

// PrepareJSONSchema implements jsonschema.Preparer.
func (settings) PrepareJSONSchema(schema *jsonschema.Schema) error {
	*schema = jsonschema.Schema{}
	schema.AddType(jsonschema.Object)
	schema.WithAdditionalProperties(jsonschema.SchemaOrBool{TypeBoolean: new(true)})
	return nil
}

// joining is a provider that nobody came for yet, and what admits it.
type joining struct {
	Provider core.Provider   `json:"provider"`
	Token    core.FreshToken `json:"token"`
}

func (j joining) location(string) string { return "/v1/providers/" + j.Provider.ID }
