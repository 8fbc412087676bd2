package picture

import (
	"image"
	"image/color"
)

// source gives a decoded image as rows of RGB.
type source interface {
	bounds() image.Rectangle
	// row writes the pixels lo to hi of row y, counted from the bounds' corner, three bytes each.
	row(y, lo, hi int, dst []byte)
}

// sourceOf returns the fastest way to the rows of an image.
func sourceOf(m image.Image, isWebP bool, background *color.RGBA) source {
	switch m := m.(type) {
	case *image.YCbCr:
		if isWebP {
			return studio{newYCbCr(m), nil, nil}
		}
		return newYCbCr(m)
	case *image.Gray:
		return gray{m}
	case *image.RGBA:
		if background == nil && m.Opaque() {
			return rgba{m}
		}
	case *image.NRGBA:
		return nrgba{m, background}
	case *image.NYCbCrA:
		return studio{newYCbCr(&m.YCbCr), m, background}
	}
	return other{m, background}
}

type gray struct{ m *image.Gray }

func (g gray) bounds() image.Rectangle { return g.m.Rect }

func (g gray) row(y, lo, hi int, dst []byte) {
	for i, v := range g.m.Pix[y*g.m.Stride+lo : y*g.m.Stride+hi] {
		px := dst[i*3:][:3]
		px[0], px[1], px[2] = v, v, v
	}
}

type rgba struct{ m *image.RGBA }

func (s rgba) bounds() image.Rectangle { return s.m.Rect }

func (s rgba) row(y, lo, hi int, dst []byte) {
	pix := s.m.Pix[y*s.m.Stride+lo*4 : y*s.m.Stride+hi*4]
	for i := range hi - lo {
		copy(dst[i*3:][:3], pix[i*4:])
	}
}

type nrgba struct {
	m          *image.NRGBA
	background *color.RGBA
}

func (s nrgba) bounds() image.Rectangle { return s.m.Rect }

func (s nrgba) row(y, lo, hi int, dst []byte) {
	pix := s.m.Pix[y*s.m.Stride+lo*4 : y*s.m.Stride+hi*4]
	for i := range hi - lo {
		px := dst[i*3:][:3]
		copy(px, pix[i*4:])
		over(px, pix[i*4+3], s.background)
	}
}

// over puts a pixel of an opacity on the background; nil leaves it as it is.
func over(px []byte, alpha byte, background *color.RGBA) {
	if background == nil || alpha == 255 {
		return
	}
	a := uint32(alpha)
	for i, back := range [3]byte{background.R, background.G, background.B} {
		px[i] = byte((uint32(px[i])*a + uint32(back)*(255-a) + 127) / 255)
	}
}

// other reads any image pixel by pixel: palettes, CMYK, 16 bits a channel (whose low byte is dropped).
type other struct {
	m          image.Image
	background *color.RGBA
}

func (s other) bounds() image.Rectangle { return s.m.Bounds() }

func (s other) row(y, lo, hi int, dst []byte) {
	corner := s.m.Bounds().Min
	for x := lo; x < hi; x++ {
		c := color.NRGBAModel.Convert(s.m.At(corner.X+x, corner.Y+y)).(color.NRGBA)
		px := dst[(x-lo)*3:][:3]
		px[0], px[1], px[2] = c.R, c.G, c.B
		over(px, c.A, s.background)
	}
}
