// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/json"
	"time"
)

// Provider is one configured, attached use of a plugin.
type Provider struct {
	Meta
	// DialAddress is where the provider listens, and the core connects to; empty for one that dials the core.
	DialAddress string         `json:"dial_address,omitempty" description:"HOST:PORT where the provider listens and the core connects to; none for one that dials the core."`
	Local       *LocalProvider `json:"local,omitempty" description:"Of a provider that the core runs itself."`
	Drain       *Drain         `json:"drain,omitempty" description:"An operator wants it drained: each of its processes is told when it attaches."`
	Status      ProviderStatus `json:"status"`
}

// Drain is an operator's wish that a provider finishes its work, and takes no other.
type Drain struct {
	At             time.Time `json:"at"`
	TimeoutSeconds int64     `json:"timeout_seconds,omitempty" description:"How long running work may take to end; an hour if it is not said."`
}

// LocalProvider is the program of a provider that the core runs itself.
type LocalProvider struct {
	Binary  string   `json:"binary" description:"Where it was copied from, on the core's machine."`
	SHA256  string   `json:"sha256" description:"Of the core's copy, as measured before each start."`
	UID     int      `json:"uid" description:"User and group that it runs as, of its own, where the core is root."`
	Upgrade *Upgrade `json:"upgrade,omitempty" description:"The last one."`
	// Config is filled in for people; it is kept elsewhere.
	Config map[string]any `json:"config,omitempty" description:"Its configuration. Secrets, and what its schema does not describe, are masked; everything is while it is not attached."`
}

// NewBinary is another program for a local provider.
type NewBinary struct {
	Binary    string // absolute path on the core's machine
	SHA256    string // hexadecimal
	Signature []byte // Ed25519, of the file; needed where the core has keys of those who may sign plugins
	// Config is a JSON object: nil for an empty one, or for the one that an upgraded provider has.
	Config json.RawMessage
}

// Upgrade of a local provider to another program.
type Upgrade struct {
	State       UpgradeState `json:"state" enum:"running,done,rolled_back"`
	Message     string       `json:"message,omitempty" description:"Why it was rolled back."`
	FromVersion string       `json:"from_version,omitempty"`
	ToVersion   string       `json:"to_version"`
	SHA256      string       `json:"sha256" description:"Of the new program."`
	At          time.Time    `json:"at" description:"When it began."`
	EndedAt     *time.Time   `json:"ended_at,omitempty"`
}

// UpgradeState says how far an upgrade is.
type UpgradeState string

// The states of an upgrade.
const (
	UpgradeRunning    UpgradeState = "running"
	UpgradeDone       UpgradeState = "done"
	UpgradeRolledBack UpgradeState = "rolled_back" // what ran before runs again
)

// ProviderStatus is what is true.
type ProviderStatus struct {
	State        ProviderState `json:"state" enum:"joining,ready,degraded,draining,drained,unreachable,crashing,revoked"`
	Message      string        `json:"message,omitempty"`
	Plugin       string        `json:"plugin,omitempty"`
	Version      string        `json:"version,omitempty"`
	Services     []string      `json:"services" nullable:"false"`
	Capabilities []string      `json:"capabilities" nullable:"false"`
	MachineID    string        `json:"machine_id,omitempty"`
	Way          Way           `json:"way,omitempty" enum:"child,attached" description:"How it came: started by the core, or it dialled."`
	Address      string        `json:"address,omitempty" description:"Where it came from."`
	AttachedAt   *time.Time    `json:"attached_at,omitempty"`
	SeenAt       *time.Time    `json:"seen_at,omitempty"`
	CertExpires  *time.Time    `json:"certificate_expires_at,omitempty"`

	Lease   *ProviderLease     `json:"lease,omitempty" description:"While it is attached: which core configures and watches it."`
	Program *ProviderProgram   `json:"program,omitempty" description:"What it runs, or ran last."`
	Report  *ConformanceReport `json:"report,omitempty" description:"Of the conformance suite, as an operator gave it."`
	Behind  string             `json:"behind,omitempty" description:"The newest version of its plugin that is attached, if its own is older."`

	KeyFingerprint   string               `json:"key_fingerprint,omitempty" description:"Of the key of its last certificate: SHA256: and the hash of the public key in base64."`
	Certificate      *ProviderCertificate `json:"certificate,omitempty"`
	JoinedAt         *time.Time           `json:"joined_at,omitempty" description:"When it joined, the last time; certificates from before are refused."`
	AdmittedServices []string             `json:"admitted_services,omitempty" description:"What it may serve: what its join token names, or else what it offered when it joined. Empty for everything."`
	Approval         *Approval            `json:"approval,omitempty" description:"A machine that redeemed the join token and waits for an operator."`
	Contested        *Contest             `json:"contested,omitempty" description:"Somebody else tried to be this provider, and an operator has not said yet who is right."`
	ReplacedMachines []string             `json:"replaced_machines,omitempty" description:"Ids of machines that may not attach any more, since another took their place."`
	ConfigFaults     []ProblemField       `json:"configuration_faults,omitempty" description:"What it refuses of its configuration, by JSON pointer."`
	LastError        *LastError           `json:"last_error,omitempty" description:"The last thing that went wrong; it stays when all is well again."`
	Hosts            []string             `json:"hosts,omitempty" description:"Names of its hosts."`
	Routers          []string             `json:"routers,omitempty" description:"Names of its routers."`
}

// ProviderLease says which core has a provider.
type ProviderLease struct {
	Core  string    `json:"core" description:"The address at which providers attach to it."`
	Since time.Time `json:"since"`
}

// ProviderProgram is the program of a provider.
type ProviderProgram struct {
	SHA256   string `json:"sha256"`
	Measured bool   `json:"measured" description:"By the core, before it started it; else the provider says so itself."`
}

// ConformanceReport is what a run of the conformance suite found.
type ConformanceReport struct {
	Suite         string    `json:"suite" required:"true" maxLength:"64" pattern:"^[!-~]+$" description:"Version of the suite."`
	Profile       string    `json:"profile" required:"true" maxLength:"64" pattern:"^[!-~]+$"`
	Plugin        string    `json:"plugin" required:"true" maxLength:"64" pattern:"^[!-~]+$"`
	Version       string    `json:"version" required:"true" maxLength:"64" pattern:"^[!-~]+$" description:"Of the plugin."`
	SHA256        string    `json:"sha256,omitempty" pattern:"^[0-9a-f]{64}$" description:"Of the program that was tried."`
	At            time.Time `json:"at" required:"true" description:"When the run began."`
	Passed        int       `json:"passed" required:"true" minimum:"0"`
	Failed        int       `json:"failed" required:"true" minimum:"0"`
	NotAdvertised int       `json:"not_advertised" required:"true" minimum:"0"`
	Limited       int       `json:"limited" required:"true" minimum:"0" description:"Could not be tried in full."`
	KnownFailing  int       `json:"known_failing" required:"true" minimum:"0"`
}

// Approval is a machine that waits to be admitted: nothing was signed for it yet.
type Approval struct {
	KeyFingerprint string    `json:"key_fingerprint" description:"Of the waiting machine's key; its join shows the same."`
	MachineID      string    `json:"machine_id"`
	Plugin         string    `json:"plugin"`
	Address        string    `json:"address" description:"Where it came from."`
	AskedAt        time.Time `json:"asked_at"`
}

// Contest is an attempt to be a provider that is somebody else. It was refused.
type Contest struct {
	At        time.Time `json:"at" description:"When it was tried last."`
	MachineID string    `json:"machine_id" description:"As the other machine calls itself."`
	Address   string    `json:"address" description:"Where it came from."`
	Message   string    `json:"message" description:"What was tried."`
	// Cloned says that it had the provider's own certificate, so that it can take its place.
	Cloned bool `json:"cloned" description:"It had the provider's own key and certificate, so it can take the provider's place."`
}

// LastError of a provider.
type LastError struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
}

// Way says how a provider came.
type Way string

// The ways to be attached.
const (
	WayChild    Way = "child"    // the core started it
	WayAttached Way = "attached" // it dialled the attach port
)

// ProviderState of a provider.
type ProviderState string

// The states of a provider.
const (
	ProviderJoining     ProviderState = "joining" // a token was made, nobody came yet
	ProviderReady       ProviderState = "ready"
	ProviderDegraded    ProviderState = "degraded" // attached, its backend is not well
	ProviderDraining    ProviderState = "draining" // it finishes its work, and takes no other
	ProviderDrained     ProviderState = "drained"  // nothing runs any more
	ProviderUnreachable ProviderState = "unreachable"
	ProviderCrashing    ProviderState = "crashing" // a child that ends again and again soon after its start
	ProviderRevoked     ProviderState = "revoked"
)

// Capabilities that the use cases ask for.
const (
	CapabilityImages = "images"
	CapabilityPeers  = "peers"
	CapabilityPower  = "power"
)

// NewToken asks for a join token.
type NewToken struct {
	Name            string   `json:"name" required:"true" minLength:"1" maxLength:"63" pattern:"^[a-z]([a-z0-9-]*[a-z0-9])?$" description:"Of the provider; a DNS label."`
	Services        []string `json:"services,omitempty" maxItems:"2" description:"What the provider is to serve: compute, network, or both. Its plugin must offer all of them, and it gets no other work; left out, it may serve what it offers when it joins."`
	RequireApproval bool     `json:"require_approval,omitempty" description:"Sign nothing before an operator approved the key."`
	Replace         bool     `json:"replace,omitempty" description:"Cut the provider off that has the name now, also if it is attached: its certificates are refused from now on, and whoever joins with the token takes its place."`
}

// JoinToken admits one provider, once. The secret itself is never stored.
type JoinToken struct {
	ID              string
	Provider        string // id of the provider row that was made with it
	SecretHash      string // hex SHA-256
	Services        []string
	RequireApproval bool
	CreatedAt       time.Time
	ExpiresAt       time.Time
	UsedAt          *time.Time
	Key             string     // fingerprint of the key that redeemed it
	ApprovedAt      *time.Time // where RequireApproval
}

// FreshToken is a new join token.
type FreshToken struct {
	Token     string    `json:"token" description:"For the other machine's: join --token-file."`
	Command   string    `json:"command" description:"One line to run on the other machine; PLUGIN stands for the plugin's binary."`
	ExpiresAt time.Time `json:"expires_at"`
}
