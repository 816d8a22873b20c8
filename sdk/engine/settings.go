// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/rhyzome/rhyzome/sdk/fault"
	"github.com/rhyzome/rhyzome/sdk/schema"
	"github.com/rhyzome/rhyzome/sdk/wire"
)

// settings remembers what was installed: by its hash, since it holds secrets.
type settings struct {
	changing sync.Mutex // held while the author's Configure runs

	mu        sync.Mutex
	configure bool
	hash      [sha256.Size]byte
}

func (s *settings) installed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.configure
}

// same reports whether these settings are installed already.
func (s *settings) same(hash [sha256.Size]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.configure && s.hash == hash
}

func (s *settings) set(hash [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configure, s.hash = true, hash
}

// doubt says that the author's Configure failed, and may have installed a part: whatever comes next is given to it.
func (s *settings) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hash = [sha256.Size]byte{}
}

// Configure checks the settings against the author's schema, and installs them. The first success makes fenceFloor the
// floor of all fences.
func (e *Engine) Configure(ctx context.Context, config string, secrets map[string][]byte, fenceFloor uint64) error {
	whole, err := merge(config, secrets)
	if err != nil {
		return err
	}
	e.settings.changing.Lock()
	defer e.settings.changing.Unlock()
	hash := sha256.Sum256(whole)
	if e.settings.same(hash) {
		return nil
	}
	said, err := schema.Compile(e.description.ConfigSchema)
	if err != nil {
		return err
	}
	if err := said.Check(whole); err != nil {
		return err
	}
	_, err = read(ctx, e, "configure", wire.CallTimeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.author.Configure(ctx, whole)
	})
	if err != nil {
		e.settings.doubt()
		return err
	}
	if !e.settings.installed() {
		e.fences.raise(fenceFloor)
	}
	e.settings.set(hash)
	e.watches.recheck()
	for _, s := range e.sources {
		e.watches.changed(s.kind, "")
	}
	return nil
}

// merge puts each secret where its JSON pointer says. An empty configuration is an empty object.
func merge(config string, secrets map[string][]byte) (json.RawMessage, error) {
	if config == "" {
		config = "{}"
	}
	dec := json.NewDecoder(strings.NewReader(config))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil || object == nil {
		return nil, fault.Invalid("", "the configuration must be one JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.Invalid("", "something follows the JSON object")
	}
	var faults []*fault.Error
	for pointer, secret := range secrets {
		if !place(object, pointer, string(secret)) {
			faults = append(faults, fault.Invalid(pointer, "there is no place for this secret in the configuration"))
		}
	}
	if err := fault.Join(faults...); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// place sets the value at a pointer, whose parent must exist.
func place(object map[string]any, pointer, secret string) bool {
	tokens := strings.Split(pointer, "/")
	if len(tokens) < 2 || tokens[0] != "" {
		return false
	}
	var at any = object
	for i, token := range tokens[1:] {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		last := i == len(tokens)-2
		switch parent := at.(type) {
		case map[string]any:
			if last {
				parent[token] = secret
				return true
			}
			at = parent[token]
		case []any:
			n, err := strconv.Atoi(token)
			if err != nil || n < 0 || n >= len(parent) {
				return false
			}
			if last {
				parent[n] = secret
				return true
			}
			at = parent[n]
		default:
			return false
		}
	}
	return false
}
