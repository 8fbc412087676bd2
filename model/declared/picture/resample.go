package picture

import "image"

// Scale says how a picture is scaled: to a width and height, of which a window is wanted.
type Scale struct {
	Width, Height int
	Window        image.Rectangle // inside Width × Height
	Filter        Filter
	Antialias     bool // where the picture shrinks, the filter covers all of it
	Gray          bool // one channel instead of three
}

// Resample scales p and writes the window to dst, row by row, three bytes a pixel (red, green, blue) or, where gray,
// one. stride is the distance of two rows in dst.
//
// The rows of the source are scaled across first and then down, each time rounded to 8 bits, as Pillow does.
func (p *Picture) Resample(dst []byte, stride int, s Scale) {
	if p.turn == 0 {
		p.resample(dst, stride, s)
		return
	}
	// The picture lies turned in the file: scale it as it lies, then turn the few pixels of the window.
	lying := s
	lying.Width, lying.Height = p.turn.lying(s.Width, s.Height)
	lying.Window = p.turn.window(s.Window, s.Width, s.Height)
	n := channels(s.Gray)
	w, h := lying.Window.Dx(), lying.Window.Dy()
	turned := make([]byte, w*h*n)
	p.resample(turned, w*n, lying)
	for y := range s.Window.Dy() {
		for x := range s.Window.Dx() {
			u, v := p.turn.source(x, y, w, h)
			copy(dst[y*stride+x*n:][:n], turned[(v*w+u)*n:])
		}
	}
}

func channels(gray bool) int {
	if gray {
		return 1
	}
	return 3
}

func (p *Picture) resample(dst []byte, stride int, s Scale) {
	b := p.src.bounds()
	across := tapsOf(s.Filter, s.Antialias, b.Dx(), s.Width, s.Window.Min.X, s.Window.Max.X)
	down := tapsOf(s.Filter, s.Antialias, b.Dy(), s.Height, s.Window.Min.Y, s.Window.Max.Y)
	if len(across) == 0 || len(down) == 0 {
		return
	}
	left, right := reach(across)
	n := channels(s.Gray)
	width := len(across) * n
	line := make([]byte, (right-left)*3)
	for i := range across {
		across[i].first -= left
	}
	top, bottom := reach(down)
	ring := newRing(bottom-top, width, down)
	sums := make([]int32, width)
	read := top
	for y, t := range down {
		for read = max(read, t.first); read < t.first+len(t.weights); read++ {
			p.src.row(read, left, right, line)
			if s.Gray {
				toGray(line)
			}
			scaleLine(ring.row(read), line[:(right-left)*n], across, n)
		}
		for i := range sums {
			sums[i] = 1 << (weightBits - 1)
		}
		for k, weight := range t.weights {
			row := ring.row(t.first + k)
			for i, v := range row {
				sums[i] += int32(v) * weight
			}
		}
		out := dst[y*stride:][:width]
		for i, v := range sums {
			out[i] = clip(v >> weightBits)
		}
	}
}

// reach returns the range of pixels that taps touch.
func reach(list []taps) (lo, hi int) {
	lo = list[0].first
	for _, t := range list {
		lo = min(lo, t.first)
		hi = max(hi, t.first+len(t.weights))
	}
	return lo, hi
}

// ring keeps as many scaled rows as one row of the result needs.
type ring struct {
	rows  []byte
	width int
	n     int
}

func newRing(most, width int, down []taps) ring {
	n := 1
	for _, t := range down {
		n = max(n, len(t.weights))
	}
	n = min(n, most)
	return ring{rows: make([]byte, n*width), width: width, n: n}
}

func (r ring) row(y int) []byte { return r.rows[y%r.n*r.width:][:r.width] }

// scaleLine scales one line of n channels.
func scaleLine(dst, line []byte, across []taps, n int) {
	const half = 1 << (weightBits - 1)
	if n == 1 {
		for x, t := range across {
			sum := int32(half)
			for k, v := range line[t.first:][:len(t.weights)] {
				sum += int32(v) * t.weights[k]
			}
			dst[x] = clip(sum >> weightBits)
		}
		return
	}
	for x, t := range across {
		r, g, b := int32(half), int32(half), int32(half)
		px := line[t.first*3:][:len(t.weights)*3]
		for k, w := range t.weights {
			p := px[k*3:][:3]
			r += int32(p[0]) * w
			g += int32(p[1]) * w
			b += int32(p[2]) * w
		}
		out := dst[x*3:][:3]
		out[0], out[1], out[2] = clip(r>>weightBits), clip(g>>weightBits), clip(b>>weightBits)
	}
}

func clip(v int32) byte {
	if uint32(v) > 255 {
		v = ^(v >> 31) // 0 for what is below, all bits for what is above
	}
	return byte(v)
}

// toGray turns a line of RGB into one of luma, in place, with ITU-R 601's weights in 16 bits, as Pillow's "L".
func toGray(line []byte) {
	for i, n := 0, len(line)/3; i < n; i++ {
		px := line[i*3:][:3]
		line[i] = byte((uint32(px[0])*19595 + uint32(px[1])*38470 + uint32(px[2])*7471 + 0x8000) >> 16)
	}
}
