// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/attach"
	"github.com/rhyzome/rhyzome/sdk/fault"
)

// A secret is the token's id, the separator, and 32 random bytes.
const (
	secretSeparator = "_"
	secretBytes     = 32
)

// CreateToken makes the provider's row, and the token that admits it. The secret is shown this once. For a provider
// that never came, or is away, the token replaces those made before, and lets it join again under its old id. A machine
// that waits for approval is refused by that. While it is attached it is NameTaken, unless req.Replace cuts it off: a
// stolen certificate is of no use from then on. BadState for one that the core runs itself. The name of a deleted provider
// is free.
func (a *Authority) CreateToken(ctx context.Context, req core.NewToken) (core.Provider, core.FreshToken, error) {
	if err := fault.Join(append(core.New{Name: req.Name}.Check(), checkServices(req.Services)...)...); err != nil {
		return core.Provider{}, core.FreshToken{}, err
	}
	var (
		p      core.Provider
		token  core.JoinToken
		secret string
	)
	err := a.store.Update(ctx, func(tx core.Tx) (err error) {
		if p, err = a.joining(tx, req.Name, req.Replace); err != nil {
			return err
		}
		token, secret = a.newToken(p)
		token.Services, token.RequireApproval = req.Services, req.RequireApproval
		return tx.JoinTokens().Insert(token)
	})
	if err != nil {
		return core.Provider{}, core.FreshToken{}, err
	}
	if req.Replace {
		a.disconnect(p.ID, "an operator made a join token that replaces it")
	}
	text := attach.Token{CA: attach.Fingerprint(a.Root()), Secret: secret}.Text()
	return p, core.FreshToken{
		Token:     text,
		Command:   fmt.Sprintf("printf %%s '%s' | PLUGIN join --core %s --token-file -", text, a.address),
		ExpiresAt: token.ExpiresAt,
	}, nil
}

// services that a provider can be admitted for.
var services = []string{"compute", "network"}

func checkServices(asked []string) (all []*fault.Error) {
	for i, s := range asked {
		if !slices.Contains(services, s) {
			all = append(all, fault.Invalid(fmt.Sprintf("/services/%d", i), "use one of %s", strings.Join(services, ", ")))
		}
	}
	return all
}

// joining returns the row of the provider that is to join, without tokens. With replace its certificates are refused.
func (a *Authority) joining(tx core.Tx, name string, replace bool) (core.Provider, error) {
	rows, err := tx.Providers().Find(core.Query{Name: name})
	if err != nil {
		return core.Provider{}, err
	}
	if len(rows) == 0 {
		return a.insert(tx, name)
	}
	p := rows[0]
	switch state := p.Status.State; {
	case state == core.ProviderRevoked:
		if err := tx.Providers().Delete(p.ID); err != nil {
			return core.Provider{}, err
		}
		return a.insert(tx, name)
	case p.Local != nil:
		return core.Provider{}, fault.New(fault.BadState,
			"the core runs provider %s itself, which needs no token; choose another name, or delete that provider first", name)
	case state == core.ProviderJoining, state == core.ProviderUnreachable, replace:
		err := a.joinAnew(tx, &p, replace)
		return p, err
	}
	return core.Provider{}, &fault.Error{
		Code: fault.AlreadyExists, Reason: fault.NameTaken,
		Message: fmt.Sprintf("provider %s is attached now; choose another name, stop it first, or let the token replace it", name),
		Fields:  []fault.FieldViolation{{Field: "/name", Description: "taken by a provider that is attached; stop it, or let the token replace it"}},
	}
}

// joinAnew takes the tokens from a provider, and with replace its certificates: those whose beginning, in whole seconds,
// is not after now.
func (a *Authority) joinAnew(tx core.Tx, p *core.Provider, replace bool) error {
	if err := deleteTokens(tx, *p); err != nil {
		return err
	}
	p.Status.Approval, p.UpdatedAt = nil, a.now()
	if !replace {
		return tx.Providers().Update(*p)
	}
	next := p.UpdatedAt.Truncate(time.Second).Add(time.Second)
	p.Status.JoinedAt = &next
	if err := tx.Providers().Update(*p); err != nil {
		return err
	}
	return a.emit(tx, "provider.cut_off", *p, "an operator made a join token that replaces it")
}

func (a *Authority) insert(tx core.Tx, name string) (core.Provider, error) {
	p := core.Provider{
		Meta:   core.New{Name: name}.Meta(a.newID(), a.now),
		Status: core.ProviderStatus{State: core.ProviderJoining, Services: []string{}, Capabilities: []string{}},
	}
	if err := tx.Providers().Insert(p); err != nil {
		return core.Provider{}, err
	}
	return p, a.emit(tx, "provider.created", p, "")
}

func (a *Authority) newToken(p core.Provider) (core.JoinToken, string) {
	random := make([]byte, secretBytes)
	rand.Read(random) // never fails
	id, now := a.newID(), a.now()
	secret := id + secretSeparator + base64.RawURLEncoding.EncodeToString(random)
	return core.JoinToken{
		ID: id, Provider: p.ID, SecretHash: hash(secret), CreatedAt: now, ExpiresAt: now.Add(tokenLife),
	}, secret
}

func deleteTokens(tx core.Tx, p core.Provider) error {
	tokens, err := core.All(tx.JoinTokens(), core.Query{Parent: p.ID}, func(t core.JoinToken) string { return t.ID })
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if err := tx.JoinTokens().Delete(t.ID); err != nil {
			return err
		}
	}
	return nil
}

// matches compares a secret with the token's, in constant time.
func matches(t core.JoinToken, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(t.SecretHash), []byte(hash(secret))) == 1
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
