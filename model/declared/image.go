package declared

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"runtime"

	"infer/internal/fault"
	"infer/model"
	"infer/model/declared/picture"
	"infer/model/onnx"
	"infer/model/tensor"
)

// defaultMaxPixels is a photo of 24 megapixels, such as 6000×4000.
const defaultMaxPixels = 24_000_000

// imageInput makes one input of an image file.
type imageInput struct {
	port    string
	dtype   tensor.DType
	shape   tensor.Shape // of one row
	place   placement
	gray    bool
	bgr     bool
	last    bool // channels are the last axis
	values  [][]byte
	fill    []byte // of each channel, before normalising
	decode  picture.Options
	scale   picture.Scale // its filter
	working chan struct{} // at most as many images are decoded at a time as there are CPUs: each takes memory
}

func newImageInput(s imageSpec, inputs []model.Port) (*imageInput, error) {
	port, err := portNamed("image.input", s.Input, inputs)
	if err != nil {
		return nil, err
	}
	if err := checkCovered(inputs, port.Name); err != nil {
		return nil, err
	}
	x := &imageInput{port: port.Name, working: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for _, step := range []func(imageSpec, *onnx.Type) error{x.setChannels, x.setLayout, x.setPlacement, x.setFilter, x.setValues, x.setDecoding} {
		if err := step(s, port.Type); err != nil {
			return nil, fault.Wrap(err, "image")
		}
	}
	return x, nil
}

// oneOf checks a key with a few values; "" is the first.
func oneOf(key, value string, values ...string) (string, error) {
	if value == "" {
		return values[0], nil
	}
	for _, v := range values {
		if v == value {
			return v, nil
		}
	}
	hint := "use " + values[0]
	for _, v := range values[1:] {
		hint += " or " + v
	}
	return "", fault.New(fault.Usage, hint, "%s %q is not known", key, value)
}

func (x *imageInput) setChannels(s imageSpec, _ *onnx.Type) error {
	order, err := oneOf("channels", s.Channels, "rgb", "bgr", "gray")
	x.gray, x.bgr = order == "gray", order == "bgr"
	return err
}

func (x *imageInput) channels() int64 {
	if x.gray {
		return 1
	}
	return 3
}

// setLayout finds the axes of channels, height and width, and the size.
func (x *imageInput) setLayout(s imageSpec, ty *onnx.Type) error {
	if ty.Kind != onnx.KindTensor || !ty.HasShape || len(ty.Dims) != 3 && len(ty.Dims) != 4 {
		return fault.New(fault.Usage, "an image has a batch axis, channels, height and width", "input %q is %s, not a tensor of rank 4", x.port, dimsText(ty))
	}
	axes := ty.Dims[len(ty.Dims)-3:]
	first, last := fits(axes[0], x.channels()), fits(axes[2], x.channels())
	layout := s.Layout
	switch {
	case layout != "" && layout != "nchw" && layout != "nhwc":
		return fault.New(fault.Usage, "use nchw or nhwc", "layout %q is not known", layout)
	case layout == "nchw" && !first, layout == "nhwc" && !last, layout == "" && !first && !last:
		return fault.New(fault.Usage, "check channels: and layout:", "input %q is %s, which has no axis of %d channels there", x.port, dimsText(ty), x.channels())
	case layout == "" && first && last && (axes[0].Known == axes[2].Known):
		return fault.New(fault.Usage, "say layout: nchw or layout: nhwc", "input %q is %s: which axis are the channels?", x.port, dimsText(ty))
	}
	x.last = layout == "nhwc" || layout == "" && last && (!first || !axes[0].Known)
	spatial := axes[1:]
	if x.last {
		spatial = axes[:2]
	}
	height, err := side("height", spatial[0], s.Size, func(z *size) int { return z.height })
	if err != nil {
		return err
	}
	width, err := side("width", spatial[1], s.Size, func(z *size) int { return z.width })
	if err != nil {
		return err
	}
	x.place.width, x.place.height = width, height
	x.dtype, x.shape = ty.DType, tensor.Shape{x.channels(), int64(height), int64(width)}
	if x.last {
		x.shape = tensor.Shape{int64(height), int64(width), x.channels()}
	}
	if len(ty.Dims) == 4 {
		x.shape = append(tensor.Shape{1}, x.shape...)
	}
	return nil
}

func fits(d onnx.Dim, n int64) bool { return !d.Known || d.Size == n }

// maxSide bounds the size of the picture that a model sees, in pixels.
const maxSide = 16384

// side returns a height or width: what the input fixes, which a declared size must agree with.
func side(name string, d onnx.Dim, declared *size, of func(*size) int) (int, error) {
	n := 0
	if declared != nil {
		if n = of(declared); n < 1 || n > maxSide {
			return 0, fault.New(fault.Usage, fmt.Sprintf("give 1 to %d pixels", maxSide), "size: the %s is %d", name, n)
		}
	}
	switch {
	case !d.Known && n == 0:
		return 0, fault.New(fault.Usage, "say size: 224, or size: {width: 320, height: 240}", "the model leaves the %s open and no size is declared", name)
	case d.Known && n != 0 && d.Size != int64(n):
		return 0, fault.New(fault.Usage, "leave size: out", "size: the %s is %d and the model takes %d", name, n, d.Size)
	case d.Known && d.Size > maxSide:
		return 0, fault.New(fault.Unsupported, "", "the model's %s of %d is over the limit of %d", name, d.Size, maxSide)
	case d.Known:
		return int(d.Size), nil
	}
	return n, nil
}

func (x *imageInput) setPlacement(s imageSpec, _ *onnx.Type) (err error) {
	p := &x.place
	if p.fit, err = oneOf("fit", s.Fit, fitCrop, fitStretch, fitLetterbox); err != nil {
		return err
	}
	corner, err := oneOf("corner", s.Corner, "center", "top-left")
	if err != nil {
		return err
	}
	rounding, err := oneOf("rounding", s.Rounding, "nearest", "down")
	if err != nil {
		return err
	}
	p.topLeft, p.down, p.shorter = corner == "top-left", rounding == "down", s.Shorter
	least := max(p.width, p.height)
	switch {
	case p.fit != fitCrop && s.Shorter != 0:
		return fault.New(fault.Usage, "leave it out, or say fit: crop", "shorter belongs to fit: crop")
	case p.fit != fitLetterbox && (s.Fill != nil || s.Corner != ""):
		return fault.New(fault.Usage, "leave it out, or say fit: letterbox", "fill and corner belong to fit: letterbox")
	case s.Shorter != 0 && s.Shorter < least || s.Shorter > maxSide:
		return fault.New(fault.Usage, fmt.Sprintf("give %d to %d pixels, or leave it out", least, maxSide), "shorter is %d and %d×%d pixels are cut out", s.Shorter, p.width, p.height)
	}
	fill, err := s.Fill.each("fill", int(x.channels()), 0)
	if err != nil {
		return err
	}
	for _, v := range fill {
		if v < 0 || v > 255 || v != math.Trunc(v) {
			return fault.New(fault.Usage, "give 0 to 255", "fill is %g", v)
		}
		x.fill = append(x.fill, byte(v))
	}
	return nil
}

func (x *imageInput) setFilter(s imageSpec, _ *onnx.Type) (err error) {
	if s.Filter != "" {
		if x.scale.Filter, err = picture.ParseFilter(s.Filter); err != nil {
			return err
		}
	}
	x.scale.Antialias = s.Antialias == nil || *s.Antialias
	x.scale.Gray = x.gray
	return nil
}

// setValues works out, for each channel, what each of the 256 levels becomes: (level × scale − mean) / std.
func (x *imageInput) setValues(s imageSpec, _ *onnx.Type) error {
	n := int(x.channels())
	mean, err := s.Mean.each("mean", n, 0)
	if err != nil {
		return err
	}
	std, err := s.Std.each("std", n, 1)
	if err != nil {
		return err
	}
	factor := 1.0
	if s.Scale != nil {
		factor = float64(*s.Scale)
	}
	for c := range n {
		if std[c] == 0 || math.IsNaN(std[c]) {
			return fault.New(fault.Usage, "", "std is %g", std[c])
		}
		levels := make([]float64, 256)
		for v := range levels {
			levels[v] = (float64(v)*factor - mean[c]) / std[c]
			if math.IsNaN(levels[v]) || math.IsInf(levels[v], 0) {
				return fault.New(fault.Usage, "check scale, mean and std", "a level of %d becomes %g", v, levels[v])
			}
		}
		data, err := encodeLevels(x.dtype, levels)
		if err != nil {
			return err
		}
		x.values = append(x.values, data)
	}
	return nil
}

// encodeLevels writes the levels in a dtype; an integer dtype takes whole numbers alone.
func encodeLevels(d tensor.DType, levels []float64) ([]byte, error) {
	if d.IsFloat() {
		floats := make([]float32, len(levels))
		for i, v := range levels {
			floats[i] = float32(v)
		}
		data := make([]byte, len(levels)*d.Bits()/8)
		tensor.EncodeFloats(data, d, floats)
		return data, nil
	}
	if !d.IsInt() || d.Bits() < 8 {
		return nil, fault.New(fault.Unsupported, "", "an input of %s cannot take an image", d)
	}
	ints := make([]int64, len(levels))
	for i, v := range levels {
		ints[i] = int64(v)
		if v != math.Trunc(v) {
			return nil, fault.New(fault.Usage, "leave scale, mean and std out", "a level of %d becomes %g, which is no %s", i, v, d)
		}
	}
	t, err := tensor.FromInts("", d, tensor.Shape{int64(len(ints))}, ints)
	if err != nil {
		return nil, fault.New(fault.Usage, "check scale, mean and std", "%w", err)
	}
	return t.Data, nil
}

func (x *imageInput) setDecoding(s imageSpec, _ *onnx.Type) error {
	x.decode.MaxPixels = s.MaxPixels
	switch {
	case s.MaxPixels < 0:
		return fault.New(fault.Usage, "", "max_pixels is %d", s.MaxPixels)
	case s.MaxPixels == 0:
		x.decode.MaxPixels = defaultMaxPixels
	}
	if s.Background == nil {
		return nil
	}
	rgb, err := s.Background.each("background", 3, 0)
	if err != nil {
		return err
	}
	for _, v := range rgb {
		if v < 0 || v > 255 || v != math.Trunc(v) {
			return fault.New(fault.Usage, "give 0 to 255: red, green, blue", "background is %g", v)
		}
	}
	x.decode.Background = &color.RGBA{R: byte(rgb[0]), G: byte(rgb[1]), B: byte(rgb[2]), A: 255}
	return nil
}

// encode makes the input of one row.
func (x *imageInput) encode(body []byte) ([]tensor.Tensor, error) {
	pixels, err := x.pixels(body)
	if err != nil {
		return nil, err
	}
	t, err := tensor.New(x.port, x.dtype, x.shape.Clone())
	if err != nil {
		return nil, err
	}
	x.write(t.Data, pixels)
	return []tensor.Tensor{t}, nil
}

// pixels returns the picture as the model sees it, before normalising: 8 bits a channel, channels last.
func (x *imageInput) pixels(body []byte) ([]byte, error) {
	x.working <- struct{}{}
	defer func() { <-x.working }()
	p, err := picture.Decode(body, x.decode)
	if err != nil {
		return nil, err
	}
	w, h := p.Size()
	scale, at, err := x.place.of(w, h)
	if err != nil {
		return nil, err
	}
	scale.Filter, scale.Antialias, scale.Gray = x.scale.Filter, x.scale.Antialias, x.scale.Gray
	n := int(x.channels())
	stride := x.place.width * n
	pixels := make([]byte, stride*x.place.height)
	if scale.Window.Size() != image.Pt(x.place.width, x.place.height) {
		for i := range pixels {
			pixels[i] = x.fill[x.channel(i%n)]
		}
	}
	p.Resample(pixels[at.Y*stride+at.X*n:], stride, scale)
	return pixels, nil
}

// channel returns which channel of the input the colour c (0 red, 1 green, 2 blue) is.
func (x *imageInput) channel(c int) int {
	if x.bgr {
		return 2 - c
	}
	return c
}

// write puts pixels into the layout, the order and the dtype of the input.
func (x *imageInput) write(dst, pixels []byte) {
	n, width := int(x.channels()), x.dtype.Bits()/8
	for c := range n {
		to := x.channel(c)
		begin, step := to*len(pixels)/n*width, width
		if x.last {
			begin, step = to*width, n*width
		}
		table := x.values[to]
		out := dst[begin:]
		if width == 4 {
			for i, at := c, 0; i < len(pixels); i, at = i+n, at+step {
				v := int(pixels[i]) * 4
				copy(out[at:at+4], table[v:v+4])
			}
			continue
		}
		for i, at := c, 0; i < len(pixels); i, at = i+n, at+step {
			copy(out[at:at+width], table[int(pixels[i])*width:])
		}
	}
}
