// Package picture owns the way from an image file to scaled 8-bit pixels: decoding within limits, the orientation that
// a camera noted, and Pillow's resampling.
package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"

	"infer/internal/fault"
)

// Picture is a decoded image file. It is not changed after Decode.
type Picture struct {
	src  source
	turn turn
}

// Options are the choices of Decode.
type Options struct {
	MaxPixels  int64       // width × height, of 4 bytes each; more is a fault.TooLarge error, before any pixel is decoded
	Background *color.RGBA // what shows through transparent pixels; nil: their colour, as if they were opaque
}

type format struct {
	name   string
	magic  func(b []byte) bool
	config func(*bytes.Reader) (image.Config, error)
	decode func(*bytes.Reader) (image.Image, error)
}

func begins(prefix ...string) func([]byte) bool {
	return func(b []byte) bool {
		for _, p := range prefix {
			if bytes.HasPrefix(b, []byte(p)) {
				return true
			}
		}
		return false
	}
}

// formats are the kinds of files that Decode reads.
func formats() []format {
	return []format{
		{"JPEG", begins("\xff\xd8"), func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) }},
		{"PNG", begins("\x89PNG\r\n\x1a\n"), func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) }},
		{"GIF", begins("GIF87a", "GIF89a"), func(r *bytes.Reader) (image.Config, error) { return gif.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) }},
		{"WebP", func(b []byte) bool { return len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP" },
			func(r *bytes.Reader) (image.Config, error) { return webp.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) }},
		{"BMP", begins("BM"), func(r *bytes.Reader) (image.Config, error) { return bmp.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return bmp.Decode(r) }},
	}
}

// pixelsPerByte bounds what a file can hold: a PNG of one bit a pixel, deflated 1032 times, the most that deflate can.
const pixelsPerByte = 8 * 1032

// Decode reads an image file by its content; of an animation, the first picture. Errors: fault.Media for another kind
// of file, fault.TooLarge, and fault.Usage for a damaged one.
func Decode(body []byte, o Options) (*Picture, error) {
	for _, f := range formats() {
		if !f.magic(body) {
			continue
		}
		c, err := f.config(bytes.NewReader(body))
		if err != nil {
			return nil, fault.New(fault.Usage, "", "the %s header: %w", f.name, err)
		}
		if err := checkSize(f.name, c, int64(len(body)), o.MaxPixels); err != nil {
			return nil, err
		}
		m, err := f.decode(bytes.NewReader(body))
		if err != nil {
			return nil, fault.New(fault.Usage, "", "the %s data: %w", f.name, err)
		}
		if m.Bounds().Empty() {
			return nil, fault.New(fault.Usage, "", "the %s data have no pixels", f.name)
		}
		p := &Picture{src: sourceOf(m, f.name == "WebP", o.Background)}
		if f.name == "JPEG" {
			p.turn = turnOf(body)
		}
		return p, nil
	}
	return nil, fault.New(fault.Media, "send the file itself, as with curl --data-binary @photo.jpg", "the body is neither JPEG, PNG, GIF, WebP nor BMP")
}

// deep reports whether a decoded pixel takes 8 bytes, where others take 4 or less.
func deep(m color.Model) bool { return m == color.RGBA64Model || m == color.NRGBA64Model }

// checkSize refuses more pixels than the limit, half of it where they are deep, and more than a file of size bytes can hold.
func checkSize(name string, c image.Config, size, limit int64) error {
	if c.Width <= 0 || c.Height <= 0 {
		return fault.New(fault.Usage, "", "the %s header says %d×%d pixels", name, c.Width, c.Height)
	}
	pixels := int64(c.Width) * int64(c.Height)
	if int64(c.Width) > limit || pixels > limit {
		return fault.New(fault.TooLarge, "send a smaller picture, or raise max_pixels", "the %s has %d×%d pixels, over the limit of %d", name, c.Width, c.Height, limit)
	}
	if deep(c.ColorModel) && pixels > limit/2 {
		return fault.New(fault.TooLarge, "send it with 8 bits a channel, or raise max_pixels", "the %s has %d×%d pixels of 16 bits a channel, which take twice the memory of others, over the limit of %d", name, c.Width, c.Height, limit/2)
	}
	if pixels > size*pixelsPerByte {
		return fault.New(fault.Usage, "", "the %s header says %d×%d pixels, which %d bytes cannot hold", name, c.Width, c.Height, size)
	}
	return nil
}

// Size returns width and height as the picture is to be shown.
func (p *Picture) Size() (width, height int) {
	b := p.src.bounds()
	return p.turn.lying(b.Dx(), b.Dy())
}
