// SPDX-License-Identifier: Apache-2.0

package local

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/rhyzome/rhyzome/core"
	"github.com/rhyzome/rhyzome/sdk/schema"
)

// differences compares two configurations, in the order of the paths. The items of an array are compared one by one. What
// is masked as a whole is not taken apart.
func differences(s *schema.Schema, was, is map[string]any) []core.ConfigChange {
	return compare(nil, sides{was, is}, sides{s.Mask(was), s.Mask(is)})
}

// sides are a value before and after.
type sides struct{ old, new any }

func compare(at []string, actual, shown sides) (all []core.ConfigChange) {
	if reflect.DeepEqual(actual.old, actual.new) {
		return nil
	}
	was, arrayBefore := parts(shown.old)
	is, arrayAfter := parts(shown.new)
	if was == nil || is == nil || arrayBefore != arrayAfter {
		return []core.ConfigChange{{Path: schema.Pointer(at...), Change: "changed", Old: shown.old, New: shown.new}}
	}
	actualWas, _ := parts(actual.old)
	actualIs, _ := parts(actual.new)
	keys := slices.AppendSeq(slices.Collect(maps.Keys(was)), maps.Keys(is))
	slices.SortFunc(keys, func(a, b string) int {
		if x, y := index(a), index(b); arrayAfter && x != y {
			return cmp.Compare(x, y) // 2 before 10
		}
		return cmp.Compare(a, b)
	})
	for _, key := range slices.Compact(keys) {
		path := append(slices.Clone(at), key)
		before, inOld := was[key]
		after, inNew := is[key]
		switch {
		case !inNew:
			all = append(all, core.ConfigChange{Path: schema.Pointer(path...), Change: "removed", Old: before})
		case !inOld:
			all = append(all, core.ConfigChange{Path: schema.Pointer(path...), Change: "added", New: after})
		default:
			all = append(all, compare(path, sides{actualWas[key], actualIs[key]}, sides{before, after})...)
		}
	}
	return all
}

func index(key string) int {
	n, _ := strconv.Atoi(key)
	return n
}

// parts returns what an object or an array holds, by key; nil for anything else.
func parts(v any) (held map[string]any, array bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, false
	case []any:
		held = make(map[string]any, len(v))
		for i, part := range v {
			held[strconv.Itoa(i)] = part
		}
		return held, true
	}
	return nil, false
}
