package picture

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
)

// scaled is what Pillow makes of a picture of testdata; make_pictures.py there made it.
type scaled struct {
	File          string
	Gray          bool
	Filter        string
	Width, Height int
	Pixels        []byte
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tolerance is the largest difference from Pillow, in levels of 255. Resampling is the same to the bit, so it is 0
// where the pixels are stored, and comes from the inverse cosine transform and the rounding of colours elsewhere.
func tolerance(file string) int {
	switch filepath.Ext(file) {
	case ".jpg":
		return 3
	case ".webp":
		if file == "lossy.webp" {
			return 2
		}
	}
	return 0
}

func TestResampleEqualsPillow(t *testing.T) {
	var all []scaled
	if err := json.Unmarshal(read(t, "scaled.json"), &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		p, err := Decode(read(t, c.File), Options{MaxPixels: 1 << 20})
		if err != nil {
			t.Errorf("%s: %v", c.File, err)
			continue
		}
		f, err := ParseFilter(c.Filter)
		if err != nil {
			t.Fatal(err)
		}
		n := channels(c.Gray)
		got := make([]byte, c.Width*c.Height*n)
		p.Resample(got, c.Width*n, Scale{Width: c.Width, Height: c.Height, Window: image.Rect(0, 0, c.Width, c.Height), Filter: f, Antialias: true, Gray: c.Gray})
		if len(got) != len(c.Pixels) {
			t.Fatalf("%s: %d bytes for %d", c.File, len(got), len(c.Pixels))
		}
		most := 0
		for i := range got {
			d := int(got[i]) - int(c.Pixels[i])
			most = max(most, d, -d)
		}
		if most > tolerance(c.File) {
			t.Errorf("%s to %d×%d by %s, gray %v: differs by %d levels, at most %d are expected", c.File, c.Width, c.Height, c.Filter, c.Gray, most, tolerance(c.File))
		}
	}
}

// A window of a scaled picture is that part of the whole scaled picture.
func TestWindow(t *testing.T) {
	for _, name := range []string{"rgb.png", "turn1.jpg", "turn4.jpg", "turn6.jpg", "turn8.jpg"} {
		p, err := Decode(read(t, name), Options{MaxPixels: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		s := Scale{Width: 30, Height: 20, Window: image.Rect(0, 0, 30, 20), Antialias: true}
		whole := make([]byte, 30*20*3)
		p.Resample(whole, 30*3, s)
		s.Window = image.Rect(7, 3, 18, 16)
		part := make([]byte, 11*13*3)
		p.Resample(part, 11*3, s)
		for y := range 13 {
			if !bytes.Equal(part[y*33:][:33], whole[(y+3)*90+7*3:][:33]) {
				t.Errorf("%s: row %d of the window is not that of the whole", name, y)
			}
		}
	}
}

func TestBackground(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	m.SetNRGBA(0, 0, color.NRGBA{200, 100, 0, 255})
	m.SetNRGBA(1, 0, color.NRGBA{200, 100, 0, 0})
	m.SetNRGBA(2, 0, color.NRGBA{200, 100, 0, 51}) // a fifth
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		background *color.RGBA
		want       []byte
	}{
		{nil, []byte{200, 100, 0, 200, 100, 0, 200, 100, 0}},
		{&color.RGBA{255, 255, 255, 255}, []byte{200, 100, 0, 255, 255, 255, 244, 224, 204}},
		{&color.RGBA{A: 255}, []byte{200, 100, 0, 0, 0, 0, 40, 20, 0}},
	} {
		p, err := Decode(b.Bytes(), Options{MaxPixels: 3, Background: c.background})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 9)
		p.Resample(got, 9, Scale{Width: 3, Height: 1, Window: image.Rect(0, 0, 3, 1)})
		if !bytes.Equal(got, c.want) {
			t.Errorf("on %v: %v, want %v", c.background, got, c.want)
		}
	}
}

// Of 16 bits a channel the high byte is taken.
func TestSixteenBits(t *testing.T) {
	m := image.NewNRGBA64(image.Rect(0, 0, 1, 1))
	m.SetNRGBA64(0, 0, color.NRGBA64{0x12ff, 0x8000, 0xfffe, 0xffff})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	p, err := Decode(b.Bytes(), Options{MaxPixels: 2})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	p.Resample(got, 3, Scale{Width: 1, Height: 1, Window: image.Rect(0, 0, 1, 1)})
	if !bytes.Equal(got, []byte{0x12, 0x80, 0xff}) {
		t.Errorf("%x", got)
	}
}

// bomb is the header of a PNG of a size, without pixels.
func bomb(t testing.TB, width, height uint32) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	head := b.Bytes()[:33] // signature and IHDR
	binary.BigEndian.PutUint32(head[16:], width)
	binary.BigEndian.PutUint32(head[20:], height)
	binary.BigEndian.PutUint32(head[29:], crc32.ChecksumIEEE(head[12:29]))
	return head
}

func TestDecodeRefuses(t *testing.T) {
	photo := read(t, "420.jpg")
	for _, c := range []struct {
		name string
		body []byte
		max  int64
		kind fault.Kind
		says string
	}{
		{"nothing", nil, 100, fault.Media, "neither JPEG, PNG, GIF, WebP nor BMP"},
		{"text", []byte("hello"), 100, fault.Media, "neither JPEG, PNG, GIF, WebP nor BMP"},
		{"SVG", []byte("<svg/>"), 100, fault.Media, "neither"},
		{"header alone", []byte("\xff\xd8\xff"), 100, fault.Usage, "the JPEG header"},
		{"cut", photo[:len(photo)/2], 1 << 20, fault.Usage, "the JPEG data"},
		{"too many pixels", photo, 100, fault.TooLarge, "41×31 pixels, over the limit of 100"},
		{"bomb over the limit", bomb(t, 1<<15, 1<<15), 1 << 24, fault.TooLarge, "over the limit"},
		{"bomb within the limit", bomb(t, 4000, 4000), 1 << 24, fault.Usage, "which 33 bytes cannot hold"},
	} {
		_, err := Decode(c.body, Options{MaxPixels: c.max})
		if fault.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// FuzzDecode holds every file that is taken to its own size and to memory within the limit.
func FuzzDecode(f *testing.F) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".py", ".json", "":
		default:
			f.Add(read(f, e.Name()))
		}
	}
	f.Add(bomb(f, 1<<31-1, 1))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Decode(body, Options{MaxPixels: 1 << 14})
		if err != nil {
			return
		}
		w, h := p.Size()
		if w < 1 || h < 1 || w*h > 1<<14 {
			t.Fatalf("%d×%d pixels", w, h)
		}
		got := make([]byte, 5*4*3)
		p.Resample(got, 5*3, Scale{Width: 8, Height: 6, Window: image.Rect(1, 1, 6, 5), Antialias: true})
	})
}

func FuzzOrientation(f *testing.F) {
	for turn := range 8 {
		f.Add(read(f, "turn"+string(rune('1'+turn))+".jpg"))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if v := turnOf(body); v < 0 || v > 7 {
			t.Fatal(v)
		}
	})
}

// noise is a photo of w × h pixels, as large as a camera's.
func noise(b *testing.B, w, h int) []byte {
	b.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	rng := rand.New(rand.NewPCG(1, 2))
	for y := range h {
		for x := range w {
			n := byte(rng.IntN(24))
			m.SetRGBA(x, y, color.RGBA{byte(x*200/w) + n, byte(y*200/h) + n, byte((x^y)&127) + n, 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 75}); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

func BenchmarkPhoto(b *testing.B) {
	photo := noise(b, 1920, 1440)
	dst := make([]byte, 224*224*3)
	s := Scale{Width: 341, Height: 256, Window: image.Rect(58, 16, 282, 240), Antialias: true}
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(photo)))
		for b.Loop() {
			if _, err := Decode(photo, Options{MaxPixels: 1 << 24}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("resample", func(b *testing.B) {
		p, err := Decode(photo, Options{MaxPixels: 1 << 24})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			p.Resample(dst, 224*3, s)
		}
	})
}

// TestDeepPictures holds that the limit bounds memory: pixels of 16 bits a channel count twice.
func TestDeepPictures(t *testing.T) {
	for _, c := range []struct {
		m  image.Image
		ok bool
	}{
		{image.NewNRGBA64(image.Rect(0, 0, 40, 40)), false},
		{image.NewNRGBA64(image.Rect(0, 0, 30, 30)), true},
		{image.NewNRGBA(image.Rect(0, 0, 40, 40)), true},
		{image.NewGray16(image.Rect(0, 0, 40, 40)), true},
	} {
		if n, ok := c.m.(*image.NRGBA64); ok {
			n.SetNRGBA64(1, 1, color.NRGBA64{A: 7}) // or it is written without alpha
		}
		var b bytes.Buffer
		if err := png.Encode(&b, c.m); err != nil {
			t.Fatal(err)
		}
		_, err := Decode(b.Bytes(), Options{MaxPixels: 2000})
		if c.ok != (err == nil) || !c.ok && fault.KindOf(err) != fault.TooLarge {
			t.Errorf("%T %v: %v", c.m, c.m.Bounds(), err)
		}
	}
}
