// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
)

// overlay puts the settings that the core sends, key by key, over those of this machine.
func overlay(base json.RawMessage) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if configure, ok := req.(*pb.ConfigureRequest); ok {
			whole := proto.CloneOf(configure)
			whole.ConfigJson = merged(base, configure.GetConfigJson())
			req = whole
		}
		return handle(ctx, req)
	}
}

// merged returns base with the members of over. What is no object is returned as it is, for Configure to refuse.
func merged(base json.RawMessage, over string) string {
	if over == "" {
		return string(base)
	}
	var all, more map[string]json.RawMessage
	if json.Unmarshal(base, &all) != nil || json.Unmarshal([]byte(over), &more) != nil || all == nil || more == nil {
		return over
	}
	maps.Copy(all, more)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(all) != nil {
		return over
	}
	return out.String()
}
