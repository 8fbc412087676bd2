package picture

import (
	"image"
	"image/color"
)

// studio is a lossy WebP: its luma goes from 16 to 235, where JPEG's, and the conversion of Go's image/color, goes from
// 0 to 255.
type studio struct {
	*ycbcr
	alpha      *image.NYCbCrA // nil: it is opaque
	background *color.RGBA
}

func (s studio) row(y, lo, hi int, dst []byte) {
	s.sum(s.cb, s.m.Cb, y, lo, hi)
	s.sum(s.cr, s.m.Cr, y, lo, hi)
	for i, l := range s.m.Y[y*s.m.YStride+lo : y*s.m.YStride+hi] {
		near := (lo+i)>>1 + 1
		far := near - 1 + 2*((lo+i)&1)
		studioRGB(dst[i*3:][:3], int32(l), (3*s.cb[near]+s.cb[far]+8)>>4, (3*s.cr[near]+s.cr[far]+8)>>4)
	}
	if s.alpha == nil {
		return
	}
	for i, alpha := range s.alpha.A[y*s.alpha.AStride+lo : y*s.alpha.AStride+hi] {
		over(dst[i*3:][:3], alpha, s.background)
	}
}

// studioRGB converts one pixel with libwebp's constants, of 14 bits of fraction. Ref: ITU-R BT.601, quantized to 8 bits.
func studioRGB(dst []byte, y, cb, cr int32) {
	luma := y * 19077 >> 8
	dst[0] = clip((luma + cr*26149>>8 - 14234) >> 6)
	dst[1] = clip((luma - cb*6419>>8 - cr*13320>>8 + 8708) >> 6)
	dst[2] = clip((luma + cb*33050>>8 - 17685) >> 6)
}
