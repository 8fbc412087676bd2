package picture

import "image"

// ycbcr is a picture with its colour at full or half resolution. Chroma of half resolution is interpolated, as
// libjpeg's "fancy upsampling" does, where Go's own conversion repeats it. row is for one goroutine at a time.
type ycbcr struct {
	m      *image.YCbCr
	half   image.Point // 1 where the chroma has half the resolution of that axis
	high   int         // rows of the chroma planes
	cb, cr []int32     // one row of chroma, summed over the two rows that it is made of, with one more at both ends
}

func newYCbCr(m *image.YCbCr) *ycbcr {
	s := &ycbcr{m: m}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		s.half = image.Pt(1, 1)
	case image.YCbCrSubsampleRatio422:
		s.half = image.Pt(1, 0)
	case image.YCbCrSubsampleRatio440:
		s.half = image.Pt(0, 1)
	}
	wide := (m.Rect.Dx() + s.half.X) >> s.half.X
	s.high = (m.Rect.Dy() + s.half.Y) >> s.half.Y
	s.cb, s.cr = make([]int32, wide+2), make([]int32, wide+2)
	return s
}

func (s *ycbcr) bounds() image.Rectangle { return s.m.Rect }

func (s *ycbcr) row(y, lo, hi int, dst []byte) {
	luma := s.m.Y[y*s.m.YStride+lo : y*s.m.YStride+hi]
	dst = dst[:len(luma)*3]
	if s.repeats() {
		s.repeat(y, lo, luma, dst)
		return
	}
	s.sum(s.cb, s.m.Cb, y, lo, hi)
	s.sum(s.cr, s.m.Cr, y, lo, hi)
	if s.half.X == 0 {
		s.direct(y, lo, luma, dst)
		return
	}
	s.interpolate(lo, luma, dst)
}

// interpolate converts a row whose chroma has a column for two pixels: 3/4 of the nearer one and 1/4 of the other.
// What is halfway between two levels goes up and down by turns.
func (s *ycbcr) interpolate(lo int, luma, dst []byte) {
	round, shift := [2]int32{1, 2}, 2
	if s.half.Y == 1 {
		round, shift = [2]int32{8, 7}, 4
	}
	cbs, crs := s.cb[lo>>1:], s.cr[lo>>1:]
	for i, l := range luma {
		odd := (lo + i) & 1
		near := (lo&1+i)>>1 + 1
		far := near - 1 + 2*odd
		cb := (3*cbs[near]+cbs[far]+round[odd])>>(shift&31) - 128
		cr := (3*crs[near]+crs[far]+round[odd])>>(shift&31) - 128
		// toRGB, written out: the call would take a third of the time
		px := dst[i*3:][:3]
		px[0] = clip(int32(l) + (redCr*cr+oneHalf)>>16)
		px[1] = clip(int32(l) + (greenCb*cb+greenCr*cr+oneHalf)>>16)
		px[2] = clip(int32(l) + (blueCb*cb+oneHalf)>>16)
	}
}

// direct converts a row whose chroma has a column for each pixel.
func (s *ycbcr) direct(y, lo int, luma, dst []byte) {
	round, shift := int32(0), 0
	if s.half.Y == 1 {
		round, shift = int32(1+y&1), 2
	}
	cb, cr := s.cb[lo+1:], s.cr[lo+1:]
	for i, l := range luma {
		toRGB(dst[i*3:][:3], int32(l), (cb[i]+round)>>shift-128, (cr[i]+round)>>shift-128)
	}
}

// sum makes the row of chroma for the pixels lo to hi of row y: the row itself or, at half the resolution, three times
// the nearer row and once the other. The ends are repeated.
func (s *ycbcr) sum(dst []int32, plane []byte, y, lo, hi int) {
	last := len(dst) - 3
	first, end := max(lo>>s.half.X-1, 0), min((hi-1)>>s.half.X+1, last)+1
	near := plane[y>>s.half.Y*s.m.CStride:]
	if s.half.Y == 0 {
		for i, c := range near[first:end] {
			dst[first+1+i] = int32(c)
		}
	} else {
		other := min(max(y>>1-1+y&1*2, 0), s.high-1)
		far := plane[other*s.m.CStride+first:][:end-first]
		for i, c := range near[first:end] {
			dst[first+1+i] = 3*int32(c) + int32(far[i])
		}
	}
	dst[0], dst[last+2] = dst[1], dst[last+1]
}

// repeats reports whether chroma is repeated: at a quarter of the resolution, and in pictures that are too narrow to
// interpolate, as libjpeg does.
func (s *ycbcr) repeats() bool {
	switch s.m.SubsampleRatio {
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		return true
	}
	return s.half.X == 1 && len(s.cb)-2 <= 2
}

func (s *ycbcr) repeat(y, lo int, luma, dst []byte) {
	corner := s.m.Rect.Min
	for i, l := range luma {
		c := s.m.COffset(corner.X+lo+i, corner.Y+y)
		toRGB(dst[i*3:][:3], int32(l), int32(s.m.Cb[c])-128, int32(s.m.Cr[c])-128)
	}
}

// libjpeg's constants of the conversion, with 16 bits of fraction. Ref: JFIF 1.02.
const (
	redCr   = 91881  // 1.402
	greenCb = -22554 // -0.34414
	greenCr = -46802 // -0.71414
	blueCb  = 116130 // 1.772
	oneHalf = 1 << 15
)

// toRGB converts one pixel. cb and cr are less 128.
func toRGB(dst []byte, y, cb, cr int32) {
	_ = dst[2]
	dst[0] = clip(y + (redCr*cr+oneHalf)>>16)
	dst[1] = clip(y + (greenCb*cb+greenCr*cr+oneHalf)>>16)
	dst[2] = clip(y + (blueCb*cb+oneHalf)>>16)
}
