package picture

import "image"

// ycbcr is a picture with its colour at full or half resolution. Chroma is interpolated, as libjpeg's "fancy
// upsampling" does, where Go's own conversion repeats it.
type ycbcr struct {
	m    *image.YCbCr
	half image.Point // 1 where the chroma has half the resolution of that axis and is interpolated
	wide int         // columns of the chroma planes
	high int         // rows of the chroma planes
}

func newYCbCr(m *image.YCbCr) ycbcr {
	s := ycbcr{m: m}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		s.half = image.Pt(1, 1)
	case image.YCbCrSubsampleRatio422:
		s.half = image.Pt(1, 0)
	case image.YCbCrSubsampleRatio440:
		s.half = image.Pt(0, 1)
	}
	s.wide = (m.Rect.Dx() + s.half.X) >> s.half.X
	s.high = (m.Rect.Dy() + s.half.Y) >> s.half.Y
	return s
}

func (s ycbcr) bounds() image.Rectangle { return s.m.Rect }

func (s ycbcr) row(y, lo, hi int, dst []byte) {
	m := s.m
	luma := m.Y[y*m.YStride+lo : y*m.YStride+hi]
	if s.plain() {
		for i, l := range luma {
			c := m.COffset(m.Rect.Min.X+lo+i, m.Rect.Min.Y+y)
			toRGB(dst[i*3:][:3], int32(l), int32(m.Cb[c])-128, int32(m.Cr[c])-128)
		}
		return
	}
	near, far := y>>s.half.Y, y>>s.half.Y
	if s.half.Y == 1 {
		far = min(max(near-1+y&1*2, 0), s.high-1)
	}
	cb := chroma{m.Cb[near*m.CStride:][:s.wide], m.Cb[far*m.CStride:][:s.wide]}
	cr := chroma{m.Cr[near*m.CStride:][:s.wide], m.Cr[far*m.CStride:][:s.wide]}
	at := chroma.across
	switch s.half {
	case image.Pt(1, 1):
		at = chroma.both
	case image.Pt(0, 1):
		at = chroma.down
	}
	for i, l := range luma {
		toRGB(dst[i*3:][:3], int32(l), at(cb, lo+i, y)-128, at(cr, lo+i, y)-128)
	}
}

// plain reports whether chroma is taken as it is: at full resolution, at a quarter, which libjpeg repeats too, and in
// pictures that are too narrow to interpolate.
func (s ycbcr) plain() bool { return s.half == image.Point{} || s.half.X == 1 && s.wide <= 2 }

// chroma is a row of a plane and the row on the other side of the luma row.
type chroma struct{ near, far []byte }

// beside returns the index of the chroma on the other side of pixel x, inside the row.
func (c chroma) beside(x int) int { return min(max(x>>1-1+x&1*2, 0), len(c.near)-1) }

// across interpolates along the row: 3/4 of the nearer, 1/4 of the other, rounded up and down by turns.
func (c chroma) across(x, _ int) int32 {
	return (3*int32(c.near[x>>1]) + int32(c.near[c.beside(x)]) + 1 + int32(x&1)) >> 2
}

// down interpolates between rows.
func (c chroma) down(x, y int) int32 {
	return (3*int32(c.near[x]) + int32(c.far[x]) + 1 + int32(y&1)) >> 2
}

// both interpolates between rows and along them.
func (c chroma) both(x, _ int) int32 {
	k := c.beside(x)
	return (3*(3*int32(c.near[x>>1])+int32(c.far[x>>1])) + 3*int32(c.near[k]) + int32(c.far[k]) + 8 - int32(x&1)) >> 4
}

// toRGB converts one pixel with libjpeg's constants, 16 bits of fraction. cb and cr are less 128. Ref: JFIF 1.02.
func toRGB(dst []byte, y, cb, cr int32) {
	const half = 1 << 15
	dst[0] = clip(y + (91881*cr+half)>>16)
	dst[1] = clip(y + (-22554*cb-46802*cr+half)>>16)
	dst[2] = clip(y + (116130*cb+half)>>16)
}
