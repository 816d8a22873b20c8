// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Page says which part of a list is wanted. The zero value is the first hundred.
type Page struct {
	After string // the cursor that the page before returned
	Limit int    // 1 to 1000
}

// list is one page as the API shows it.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// getPage reads one page; the cursor of the next is empty at the end.
func getPage[T any](ctx context.Context, t *transport, path string, query url.Values, page Page) ([]T, string, error) {
	q := url.Values{}
	for key, values := range query {
		q[key] = values
	}
	if page.After != "" {
		q.Set("after", page.After)
	}
	if page.Limit > 0 {
		q.Set("limit", strconv.Itoa(page.Limit))
	}
	var l list[T]
	err := t.call(ctx, request{method: http.MethodGet, path: path, query: q}, &l)
	return l.Items, l.Next, err
}

// all walks through a list page by page. It ends after the first error.
func all[T any](read func(Page) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		page := Page{Limit: 1000}
		for {
			items, next, err := read(page)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			page.After = next
		}
	}
}
