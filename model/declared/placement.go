package declared

import (
	"image"
	"math"

	"infer/internal/fault"
	"infer/model/declared/picture"
)

// The ways to make a picture of one shape from one of another.
const (
	fitCrop      = "crop"      // scaled until the shorter side fits, the middle cut out
	fitStretch   = "stretch"   // each side scaled on its own
	fitLetterbox = "letterbox" // scaled until the longer side fits, the rest filled
)

// placement is where the pixels of a picture go in the width × height that the model sees.
type placement struct {
	width, height int
	fit           string
	shorter       int  // of crop; 0: no more than is needed
	topLeft       bool // of letterbox: the picture is in the corner, not in the middle
	down          bool // sides are rounded down and the middle to even, as torchvision's Resize and CenterCrop do
}

// maxScaled bounds the length to which a picture is scaled before its middle is cut out; only the window is made.
const maxScaled = 1 << 24

// of returns how a picture of w × h is scaled and where its corner goes.
func (p placement) of(w, h int) (s picture.Scale, at image.Point, err error) {
	switch p.fit {
	case fitStretch:
		s.Width, s.Height = p.width, p.height
	case fitLetterbox:
		r := min(float64(p.width)/float64(w), float64(p.height)/float64(h))
		s.Width, s.Height = p.round(float64(w)*r), p.round(float64(h)*r)
		if !p.topLeft {
			at = image.Pt((p.width-s.Width)/2, (p.height-s.Height)/2)
		}
	default:
		return p.crop(w, h)
	}
	s.Window = image.Rect(0, 0, s.Width, s.Height)
	return s, at, nil
}

func (p placement) crop(w, h int) (s picture.Scale, at image.Point, err error) {
	r := max(float64(p.width)/float64(w), float64(p.height)/float64(h))
	if p.shorter > 0 {
		r = float64(p.shorter) / float64(min(w, h))
	}
	if longest := r * float64(max(w, h)); longest > maxScaled {
		return s, at, fault.New(fault.Usage, "", "a picture of %d×%d pixels is too narrow to cut %d×%d out of it", w, h, p.width, p.height)
	}
	s.Width, s.Height = max(p.round(float64(w)*r), p.width), max(p.round(float64(h)*r), p.height)
	corner := image.Pt(p.middle(s.Width-p.width), p.middle(s.Height-p.height))
	s.Window = image.Rectangle{Min: corner, Max: corner.Add(image.Pt(p.width, p.height))}
	return s, at, nil
}

// round turns a length into pixels, at least one. A length that is whole but for the last bits stays what it is.
func (p placement) round(length float64) int {
	if p.down {
		return max(1, int(math.Floor(length+1e-9)))
	}
	return max(1, int(math.RoundToEven(length)))
}

// middle returns where what is cut out begins in what is left over.
func (p placement) middle(over int) int {
	if p.down {
		return int(math.RoundToEven(float64(over) / 2))
	}
	return over / 2
}
