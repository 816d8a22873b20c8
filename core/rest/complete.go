// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"reflect"
	"strings"
)

// complete makes empty lists of the nil ones that are always written: the document promises lists, and programs that
// read null instead break.
func complete(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			complete(v.Elem())
		}
	case reflect.Slice:
		if holdsStructs(v.Type().Elem()) {
			for i := range v.Len() {
				complete(v.Index(i))
			}
		}
	case reflect.Struct:
		completeFields(v)
	}
}

func completeFields(v reflect.Value) {
	for i := range v.NumField() {
		f, about := v.Field(i), v.Type().Field(i)
		if !about.IsExported() {
			continue
		}
		if f.Kind() == reflect.Slice && f.IsNil() && !strings.Contains(about.Tag.Get("json"), "omitempty") {
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
		complete(f)
	}
}

func holdsStructs(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct
}
