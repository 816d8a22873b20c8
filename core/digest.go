// SPDX-License-Identifier: Apache-2.0

package core

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/rhyzome/rhyzome/sdk/provider"
)

// TagOf makes the tag of a provider spec, which must not hold one yet. It is the only place where spec digests come
// from: SHA-256 over the spec's JSON with sorted keys and without zero values, so that a field added to a spec later
// does not change the digests of objects that don't use it.
func TagOf(id string, generation int64, spec any) (provider.Tag, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return provider.Tag{}, fmt.Errorf("encode the spec of %s: %w", id, err)
	}
	var doc any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return provider.Tag{}, fmt.Errorf("decode the spec of %s: %w", id, err)
	}
	if text, err = json.Marshal(withoutZeros(doc)); err != nil {
		return provider.Tag{}, fmt.Errorf("encode the spec of %s: %w", id, err)
	}
	sum := sha256.Sum256(text)
	return provider.Tag{ID: id, Generation: generation, SpecDigest: hex.EncodeToString(sum[:])}, nil
}

// withoutZeros drops the zero values of objects; what stands in lists keeps its place.
func withoutZeros(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e = withoutZeros(e); isZero(e) {
				delete(v, k)
			} else {
				v[k] = e
			}
		}
	case []any:
		for i, e := range v {
			v[i] = withoutZeros(e)
		}
	}
	return v
}

func isZero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case json.Number:
		return v == "0"
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
