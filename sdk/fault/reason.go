// SPDX-License-Identifier: Apache-2.0

package fault

// Reason is a stable code, lower snake case: what programs match, what problem types link to, and (in upper case) what
// travels as the reason of google.rpc.ErrorInfo.
type Reason string

// The reasons. Reasons below tells their meaning; a value, once released, keeps it.
const (
	InvalidField    Reason = "invalid_field"
	MalformedBody   Reason = "malformed_body"
	UnknownResource Reason = "unknown_resource"
	NoSuchRoute     Reason = "no_such_route"
	MethodNotAllow  Reason = "method_not_allowed"
	NameTaken       Reason = "name_taken"
	ResourceBusy    Reason = "resource_busy"
	HasChildren     Reason = "has_children"
	ETagMismatch    Reason = "etag_mismatch"
	Unauthorized    Reason = "unauthorized"
	Forbidden       Reason = "forbidden"
	TooLarge        Reason = "too_large"
	CoreAway        Reason = "core_unreachable"
	BadState        Reason = "bad_state"

	SubnetFull        Reason = "subnet_full"
	CIDROverlaps      Reason = "cidr_overlaps"
	SegmentsExhausted Reason = "segments_exhausted"
	PortsExhausted    Reason = "wireguard_ports_exhausted"
	NoHost            Reason = "no_host"
	NoRouter          Reason = "no_router"
	NoEndpoint        Reason = "no_endpoint"
	NoCapability      Reason = "no_capability"
	ImageNotReady     Reason = "image_not_ready"
	DigestMismatch    Reason = "digest_mismatch"

	TokenInvalid     Reason = "token_invalid"
	TokenExpired     Reason = "token_expired"
	TokenUsed        Reason = "token_used"
	TokenMismatch    Reason = "token_mismatch"
	ApprovalPending  Reason = "approval_pending"
	CertRefused      Reason = "certificate_refused"
	CertExpired      Reason = "certificate_expired"
	MachineConflict  Reason = "machine_conflict"
	ProviderRevoked  Reason = "provider_revoked"
	VersionMismatch  Reason = "version_mismatch"
	AttachedAlready  Reason = "attached_already"
	ProviderAway     Reason = "provider_unreachable"
	NotConfigured    Reason = "not_configured"
	Draining         Reason = "draining"
	NoSuchObject     Reason = "no_such_object"
	SpecConflict     Reason = "spec_conflict"
	StaleGeneration  Reason = "stale_generation"
	Fenced           Reason = "fenced"
	Busy             Reason = "busy"
	Interrupted      Reason = "interrupted"
	ImageMissing     Reason = "image_missing"
	InUse            Reason = "in_use"
	NoCapacity       Reason = "no_capacity"
	BackendDown      Reason = "backend_down"
	BackendDenied    Reason = "backend_denied"
	BackendRefused   Reason = "backend_refused"
	ForeignConflict  Reason = "foreign_conflict"
	OperationAbandon Reason = "operation_abandoned"
	SchemaTooNew     Reason = "schema_too_new"

	RequestCanceled Reason = "canceled"
	Timeout         Reason = "timeout"
	Panic           Reason = "panic"
	Bug             Reason = "internal"
)

// About is what is documented of one reason.
type About struct {
	Reason  Reason
	Code    Code
	Retry   bool   // the same request, unchanged, may succeed later
	Meaning string // one sentence
	WayOut  string // what the reader can do
}

// Reasons lists every reason once. docs/errors.md is generated from it.
var Reasons = []About{
	{InvalidField, InvalidArgument, false, "A field of the request has a value that cannot be used.", "Change the fields that the error lists."},
	{MalformedBody, InvalidArgument, false, "The body is not one JSON document of the expected media type.", "Send one JSON object with Content-Type application/json."},
	{UnknownResource, NotFound, false, "No resource has that id or name here.", "List the collection; check the project in the path."},
	{NoSuchRoute, NotFound, false, "The API has no such path.", "See /openapi.json."},
	{MethodNotAllow, Unimplemented, false, "The path exists, but not with this method.", "See the Allow header and /openapi.json."},
	{NameTaken, AlreadyExists, false, "Another resource of this kind has the name already.", "Choose another name, or use the existing resource."},
	{ResourceBusy, FailedPrecondition, true, "Another operation works on the resource.", "Wait for the operation that the error names, or cancel it."},
	{HasChildren, FailedPrecondition, false, "Other resources stand on this one.", "Delete the resources that the error names first."},
	{ETagMismatch, FailedPrecondition, false, "The resource changed since it was read.", "Read it again and repeat the change."},
	{Unauthorized, Unauthenticated, false, "The request has no valid token.", "Send Authorization: Bearer with a valid token."},
	{Forbidden, PermissionDenied, false, "The token does not allow this.", "Use a token with the needed role."},
	{TooLarge, InvalidArgument, false, "The request is larger than this route accepts.", "Send less; the error names the limit."},
	{CoreAway, Unavailable, true, "The core does not answer.", "Check its URL and that it runs; repeat later."},
	{BadState, FailedPrecondition, false, "The resource is not in a state that allows this.", "See the resource's status."},
	{SubnetFull, ResourceExhausted, false, "Every address of the subnet is taken.", "Delete instances or peers of the network, or use another network."},
	{CIDROverlaps, InvalidArgument, false, "The range overlaps one that is in use on the router.", "Choose another range, or leave it out to get a free one."},
	{SegmentsExhausted, ResourceExhausted, false, "The fabric has no free segment (VLAN id).", "Delete networks, or extend the fabric's range."},
	{PortsExhausted, ResourceExhausted, false, "The router's endpoint has no free WireGuard port.", "Widen the endpoint's range in the router provider's configuration."},
	{NoHost, ResourceExhausted, true, "No host can take the instance; the error says why for each.", "Ask for less, add a host, or uncordon one."},
	{NoRouter, ResourceExhausted, true, "No router can take the network; the error says why for each.", "Add a router on the fabric, or choose another fabric."},
	{NoEndpoint, FailedPrecondition, false, "The network's router declares no public endpoint.", "Set endpoint in the router provider's configuration."},
	{NoCapability, Unimplemented, false, "The provider does not offer this ability.", "Use another provider, or do without."},
	{ImageNotReady, FailedPrecondition, true, "The image has no content yet.", "Upload its content first."},
	{DigestMismatch, DataLoss, false, "The content does not have the promised SHA-256.", "Upload it again; check the source."},
	{TokenInvalid, PermissionDenied, false, "The join token is not known here.", "Create a new token with: rhyzome provider token create."},
	{TokenExpired, PermissionDenied, false, "The join token is too old.", "Create a new token with: rhyzome provider token create."},
	{TokenUsed, PermissionDenied, false, "The join token was redeemed before.", "Create a new token; if it was not you who used the old one, cut off who did with: rhyzome provider token create --replace."},
	{TokenMismatch, PermissionDenied, false, "The join token is for a provider of another name or another service.", "Use the token that was made for this one, or create one with: rhyzome provider token create."},
	{ApprovalPending, FailedPrecondition, true, "An operator has not approved this machine's key yet.", "Compare the fingerprint with that of: rhyzome provider get NAME; then: rhyzome provider approve NAME."},
	{CertRefused, Unauthenticated, false, "The certificate is not one of this cloud's.", "Join again with a new token."},
	{CertExpired, Unauthenticated, false, "The certificate is too old.", "For 90 days the provider renews it by itself; after that, join again with a new token."},
	{MachineConflict, FailedPrecondition, true, "The certificate belongs to another machine.", "Stop one of the two; give this one a token of its own, or let it take the place with: rhyzome provider replace NAME."},
	{ProviderRevoked, PermissionDenied, false, "The provider was deleted.", "Join again with a new token."},
	{VersionMismatch, FailedPrecondition, false, "Core and provider have no contract version in common.", "Upgrade the older of the two."},
	{AttachedAlready, AlreadyExists, true, "The provider is attached to the core by another of its addresses.", "Nothing to do: this address is used when the other fails. List one address of each core to be rid of the message."},
	{ProviderAway, Unavailable, true, "The provider is not attached now.", "Start it, or wait: work goes on when it is back."},
	{NotConfigured, FailedPrecondition, true, "The provider process has not been configured yet.", "Wait; the core configures after each attach."},
	{Draining, Unavailable, true, "The provider finishes its work and accepts nothing new.", "Wait for its restart."},
	{NoSuchObject, NotFound, false, "The backend has no object with that id.", "The core reconciles; nothing to do."},
	{SpecConflict, AlreadyExists, false, "The object exists in the same generation with another spec.", "A bug of the caller: raise the generation with each change."},
	{StaleGeneration, FailedPrecondition, false, "The object has a newer generation already.", "Read it again."},
	{Fenced, Aborted, true, "A newer command for the object was seen.", "The core claims the operation anew."},
	{Busy, Aborted, true, "The object is being worked on.", "Repeat later."},
	{Interrupted, Aborted, true, "A process died while it made the object; it is half made.", "Apply again, or delete."},
	{ImageMissing, FailedPrecondition, true, "The provider does not have the image's content.", "The core pushes it and repeats."},
	{InUse, FailedPrecondition, false, "Something still stands on the object.", "Delete what stands on it first."},
	{NoCapacity, ResourceExhausted, false, "The backend has no room.", "Free resources, or place it elsewhere."},
	{BackendDown, Unavailable, true, "The backend (libvirtd, ubus) does not answer.", "Start it; work goes on by itself."},
	{BackendDenied, PermissionDenied, false, "The backend refuses the provider's credentials.", "Run the provider as a user that may use the backend."},
	{BackendRefused, FailedPrecondition, false, "The backend refused the change.", "The message holds the backend's own words."},
	{ForeignConflict, AlreadyExists, false, "Something that is not ours has the name or the number.", "Rename or remove it on the machine, or choose another."},
	{OperationAbandon, Canceled, false, "An operator gave the operation up.", "See the operation's leftovers."},
	{SchemaTooNew, FailedPrecondition, false, "The database was written by a newer version.", "Run that version or a newer one, or restore an older backup."},
	{RequestCanceled, Canceled, false, "The caller gave up.", "Repeat if it is still wanted."},
	{Timeout, DeadlineExceeded, true, "It took too long; the outcome is unknown.", "Look, then decide."},
	{Panic, Internal, true, "The provider's code panicked.", "Report it to the provider's author, with its log."},
	{Bug, Internal, false, "Something unforeseen went wrong.", "Report it, with the log's entry for the request id."},
}

// Code returns the class that the reason belongs to; Internal for an unknown one.
func (r Reason) Code() Code {
	for _, a := range Reasons {
		if a.Reason == r {
			return a.Code
		}
	}
	return Internal
}
