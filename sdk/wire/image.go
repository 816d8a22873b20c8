// SPDX-License-Identifier: Apache-2.0

package wire

import (
	pb "github.com/rhyzome/rhyzome/proto/rhyzome/provider/v1"
	"github.com/rhyzome/rhyzome/sdk/provider"
)

func imageRefToProto(r provider.ImageRef) *pb.ImageRef {
	return &pb.ImageRef{Sha256: r.SHA256, Format: string(r.Format), SizeBytes: r.SizeBytes}
}

func imageRefFromProto(r *pb.ImageRef) provider.ImageRef {
	return provider.ImageRef{SHA256: r.GetSha256(), Format: provider.ImageFormat(r.GetFormat()), SizeBytes: r.GetSizeBytes()}
}

// ImageToProto converts what a provider has of an image.
func ImageToProto(i provider.Image) *pb.Image {
	return &pb.Image{
		Sha256: i.SHA256, Format: string(i.Format), SizeBytes: i.SizeBytes, OffsetBytes: i.OffsetBytes, Ready: i.Ready,
	}
}

// ImageFromProto is the inverse of ImageToProto.
func ImageFromProto(i *pb.Image) (provider.Image, error) {
	return provider.Image{
		ImageRef: provider.ImageRef{
			SHA256: i.GetSha256(), Format: provider.ImageFormat(i.GetFormat()), SizeBytes: i.GetSizeBytes(),
		},
		OffsetBytes: i.GetOffsetBytes(), Ready: i.GetReady(),
	}, nil
}
