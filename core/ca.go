// SPDX-License-Identifier: Apache-2.0

package core

import "time"

// CA is the cloud's certificate authority, and how far its rotation is.
type CA struct {
	Cloud        string       `json:"cloud" description:"Id of the cloud, which every certificate names."`
	Phase        CAPhase      `json:"phase" enum:"steady,spreading,switched" description:"steady: one root, which signs. spreading: a new root is given to everybody, the old one signs. switched: the new one signs, the old one is still trusted. An intermediate that takes the place of another under the same root goes from steady to switched."`
	Roots        []CARoot     `json:"roots" nullable:"false" description:"What is trusted; the first one signs, or vouches for the intermediate that does."`
	Intermediate *CARoot      `json:"intermediate,omitempty" description:"What signs in the place of the root, whose key is kept elsewhere; absent where the root signs."`
	Providers    []CAProvider `json:"providers" nullable:"false" description:"Providers with a certificate, and whether each is ready for the next step of the rotation."`
}

// CAPhase of a rotation.
type CAPhase string

// The phases of a rotation.
const (
	CASteady    CAPhase = "steady"
	CASpreading CAPhase = "spreading"
	CASwitched  CAPhase = "switched"
)

// CARequest is what the root has to sign so that this core's key may sign.
type CARequest struct {
	Cloud              string `json:"cloud" description:"Id of the cloud, which the root is for."`
	KeyFingerprint     string `json:"key_fingerprint" description:"SHA256: and the hash of the key's SubjectPublicKeyInfo in base64."`
	CertificateRequest string `json:"certificate_request" description:"PKCS #10, in PEM."`
}

// CARoot is a root that is trusted, or an intermediate.
type CARoot struct {
	Fingerprint string    `json:"fingerprint" description:"SHA256: and the hash of the certificate in base64."`
	Certificate string    `json:"certificate" description:"PEM."`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// CAProvider is how far one provider is.
type CAProvider struct {
	ID    string        `json:"id"`
	Name  string        `json:"name"`
	State ProviderState `json:"state" enum:"joining,ready,degraded,draining,drained,unreachable,crashing,revoked"`
	Ready bool          `json:"ready" description:"While spreading: it trusts the new root. While switched: what signs now signed its certificate. While steady: nothing is left of what signed before."`
}

// ProviderCertificate is the last certificate that was signed for a provider.
type ProviderCertificate struct {
	Serial string   `json:"serial" description:"Hexadecimal."`
	Issuer string   `json:"issuer" description:"Fingerprint of the root, or the intermediate, that signed it."`
	Roots  []string `json:"roots" nullable:"false" description:"Fingerprints of the roots that came with it."`
	InUse  bool     `json:"in_use" description:"The provider has shown it, so it has the roots too."`
}
