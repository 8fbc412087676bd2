package declared

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/tensor"
)

// pngOf returns a PNG of w × h pixels.
func pngOf(t testing.TB, w, h int, at func(x, y int) color.NRGBA) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, at(x, y))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// steps is a picture whose pixel (x, y) is 10x+y, 100, 200.
func steps(x, y int) color.NRGBA { return color.NRGBA{R: byte(10*x + y), G: 100, B: 200, A: 255} }

func floats(t testing.TB, x tensor.Tensor) []float32 {
	t.Helper()
	v, err := tensor.Floats(x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestImageLayouts(t *testing.T) {
	body := pngOf(t, 2, 2, steps)
	for _, c := range []struct {
		name, text string
		in         model.Port
		shape      string
		want       []float32
	}{
		{"nchw", "image: {}", port("x", tensor.Float32, "n", 3, 2, 2), "1x3x2x2", []float32{0, 10, 1, 11, 100, 100, 100, 100, 200, 200, 200, 200}},
		{"bgr", "image: {channels: bgr}", port("x", tensor.Float32, "n", 3, 2, 2), "1x3x2x2", []float32{200, 200, 200, 200, 100, 100, 100, 100, 0, 10, 1, 11}},
		{"nhwc", "image: {}", port("x", tensor.Float32, "n", 2, 2, 3), "1x2x2x3", []float32{0, 100, 200, 10, 100, 200, 1, 100, 200, 11, 100, 200}},
		{"nhwc bgr", "image: {channels: bgr, size: 2}", port("x", tensor.Float32, "n", "h", "w", 3), "1x2x2x3", []float32{200, 100, 0, 200, 100, 10, 200, 100, 1, 200, 100, 11}},
		{"no batch axis", "image: {}", port("x", tensor.Float32, 3, 2, 2), "3x2x2", []float32{0, 10, 1, 11, 100, 100, 100, 100, 200, 200, 200, 200}},
		{"one a channel", "image: {mean: [0, 50, 100], std: [1, 2, 4]}", port("x", tensor.Float32, 1, 3, 2, 2), "1x3x2x2", []float32{0, 10, 1, 11, 25, 25, 25, 25, 25, 25, 25, 25}},
		{"in the order of channels", "image: {channels: bgr, mean: [200, 100, 0]}", port("x", tensor.Float32, 1, 3, 2, 2), "1x3x2x2", []float32{0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 1, 11}},
		{"half precision", "image: {scale: 1/2}", port("x", tensor.Float16, 1, 3, 2, 2), "1x3x2x2", []float32{0, 5, .5, 5.5, 50, 50, 50, 50, 100, 100, 100, 100}},
		{"bytes", "image: {}", port("x", tensor.Uint8, 1, 3, 2, 2), "1x3x2x2", []float32{0, 10, 1, 11, 100, 100, 100, 100, 200, 200, 200, 200}},
		{"signed bytes", "image: {mean: 128}", port("x", tensor.Int8, 1, 3, 2, 2), "1x3x2x2", []float32{-128, -118, -127, -117, -28, -28, -28, -28, 72, 72, 72, 72}},
		// Y = 0.299 R + 0.587 G + 0.114 B
		{"gray", "image: {channels: gray}", port("x", tensor.Float32, 1, 1, 2, 2), "1x1x2x2", []float32{82, 84, 82, 85}},
	} {
		x := openAt(t, c.text, ports(c.in), scores)
		got, err := x.Encode(body, "image/png")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		v := got[0]
		if v.DType.IsInt() {
			ints, err := tensor.Int64s(v)
			if err != nil {
				t.Fatal(err)
			}
			f := make([]float32, len(ints))
			for i := range ints {
				f[i] = float32(ints[i])
			}
			if v, err = tensor.FromFloat32("x", v.Shape, f); err != nil {
				t.Fatal(err)
			}
		}
		if got[0].Name != "x" || v.Shape.String() != c.shape || !slices.Equal(floats(t, v), c.want) {
			t.Errorf("%s: %s %v, want %s %v", c.name, v.Shape, floats(t, v), c.shape, c.want)
		}
	}
}

func TestPlacement(t *testing.T) {
	for _, c := range []struct {
		name         string
		p            placement
		w, h         int
		width        int
		height       int
		window, left string
	}{
		{"shorter and middle", placement{width: 224, height: 224, fit: fitCrop, shorter: 256}, 480, 320, 384, 256, "(80,16)-(304,240)", "(0,0)"},
		{"no more than needed", placement{width: 224, height: 224, fit: fitCrop}, 100, 50, 448, 224, "(112,0)-(336,224)", "(0,0)"},
		{"of another shape", placement{width: 100, height: 50, fit: fitCrop}, 100, 100, 100, 100, "(0,25)-(100,75)", "(0,0)"},
		// 427 × 256 / 320 = 341.6: 342 or 341, and of 117 pixels too many 58 or 58.5, to even
		{"nearest", placement{width: 224, height: 224, fit: fitCrop, shorter: 256}, 427, 320, 342, 256, "(59,16)-(283,240)", "(0,0)"},
		{"down", placement{width: 224, height: 224, fit: fitCrop, shorter: 256, down: true}, 427, 320, 341, 256, "(58,16)-(282,240)", "(0,0)"},
		{"down, exact", placement{width: 7, height: 7, fit: fitCrop, down: true}, 49, 49, 7, 7, "(0,0)-(7,7)", "(0,0)"},
		{"stretch", placement{width: 30, height: 20, fit: fitStretch}, 7, 900, 30, 20, "(0,0)-(30,20)", "(0,0)"},
		{"letterbox", placement{width: 416, height: 416, fit: fitLetterbox}, 640, 480, 416, 312, "(0,0)-(416,312)", "(0,52)"},
		{"letterbox in the corner", placement{width: 416, height: 416, fit: fitLetterbox, topLeft: true}, 480, 640, 312, 416, "(0,0)-(312,416)", "(0,0)"},
		{"letterbox of a line", placement{width: 10, height: 10, fit: fitLetterbox}, 9000, 1, 10, 1, "(0,0)-(10,1)", "(0,4)"},
	} {
		s, at, err := c.p.of(c.w, c.h)
		if err != nil || s.Width != c.width || s.Height != c.height || s.Window.String() != c.window || at.String() != c.left {
			t.Errorf("%s: %d×%d, window %v at %v, %v", c.name, s.Width, s.Height, s.Window, at, err)
		}
	}
	if _, _, err := (placement{width: 16384, height: 16384, fit: fitCrop}).of(1, 20_000_000); fault.KindOf(err) != fault.Usage {
		t.Errorf("a picture that is much too narrow: %v", err)
	}
}

func TestLetterboxFill(t *testing.T) {
	x := openAt(t, "image: {fit: letterbox, fill: [1, 2, 3], channels: bgr, scale: 2}", ports(port("x", tensor.Float32, 1, 3, 2, 4)), scores)
	got, err := x.Encode(pngOf(t, 2, 2, steps), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{2, 400, 400, 2, 2, 400, 400, 2, 4, 200, 200, 4, 4, 200, 200, 4, 6, 0, 20, 6, 6, 2, 22, 6}
	if v := floats(t, got[0]); !slices.Equal(v, want) {
		t.Errorf("%v, want %v", v, want)
	}
}

const wordVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nmy\ncard\n"

// textIO declares whole words over wordVocab.
func textIO(t testing.TB, more string, in ...model.Port) *IO {
	t.Helper()
	path := folderWith(t, map[string]string{"v.txt": wordVocab, "model.io.yaml": "text: {tokenizer: words, lower: true, pattern: '[a-z]+', vocab: v.txt" + more + "}"})
	x, err := Open(path, in, scores)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		name, more string
		in         []model.Port
		want       string
	}{
		{"ids", "", idsOnly, "input_ids 1x4 [2 4 5 3]"},
		{"named", ", ids: tokens", ports(port("tokens", tensor.Int32, "b", "s")), "tokens 1x4 [2 4 5 3]"},
		{"all three, in the model's order", "", ports(port("attention_mask", tensor.Int64, "b", "s"), port("token_type_ids", tensor.Int64, "b", "s"), port("input_ids", tensor.Int64, "b", "s")),
			"attention_mask 1x4 [1 1 1 1] token_type_ids 1x4 [0 0 0 0] input_ids 1x4 [2 4 5 3]"},
		{"filled", ", pad_to: 6", append(ports(idsOnly...), port("m", tensor.Float32, "b", "s")), ""},
		{"fixed", "", ports(port("input_ids", tensor.Int64, 1, 6), port("attention_mask", tensor.Int32, 1, 6)), "input_ids 1x6 [2 4 5 3 0 0] attention_mask 1x6 [1 1 1 1 0 0]"},
		{"cut", ", max_length: 3", idsOnly, "input_ids 1x3 [2 4 3]"},
		{"no frame", ", start: '', end: ''", idsOnly, "input_ids 1x2 [4 5]"},
		{"no batch axis", "", ports(port("input_ids", tensor.Int64, "s")), "input_ids 4 [2 4 5 3]"},
	} {
		more := c.more
		if c.want == "" {
			more += ", mask: m"
		}
		x := textIO(t, more, c.in...)
		got, err := x.Encode([]byte("My card!\n"), "")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want == "" {
			if v := floats(t, got[1]); !slices.Equal(v, []float32{1, 1, 1, 1, 0, 0}) {
				t.Errorf("%s: the mask is %v", c.name, v)
			}
			continue
		}
		if text := describe(t, got); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

func describe(t testing.TB, list []tensor.Tensor) string {
	t.Helper()
	var parts []string
	for _, x := range list {
		v, err := tensor.Int64s(x)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, fmt.Sprint(x.Name, " ", x.Shape, " ", v))
	}
	return strings.Join(parts, " ")
}

func TestJoin(t *testing.T) {
	x := textIO(t, "", append(ports(idsOnly...), port("attention_mask", tensor.Int64, "batch", "sequence"))...)
	var rows [][]tensor.Tensor
	for _, text := range []string{"my", "my card my", "x"} {
		row, err := x.Encode([]byte(text), "")
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	got, err := x.Join(rows...)
	if err != nil {
		t.Fatal(err)
	}
	if want := "input_ids 3x5 [2 4 3 0 0 2 4 5 4 3 2 1 3 0 0] attention_mask 3x5 [1 1 1 0 0 1 1 1 1 1 1 1 1 0 0]"; describe(t, got) != want {
		t.Errorf("%s, want %s", describe(t, got), want)
	}
	if text := describe(t, rows[0]); text != "input_ids 1x3 [2 4 3] attention_mask 1x3 [1 1 1]" {
		t.Errorf("joining changed a row: %s", text)
	}
	if _, err := x.Join(); fault.KindOf(err) != fault.Usage {
		t.Errorf("no rows: %v", err)
	}
}

// form returns a multipart body with one part, as curl -F sends it.
func form(t *testing.T, content []byte) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("image", "photo.png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

func TestBodies(t *testing.T) {
	words, picture := textIO(t, "", idsOnly...), openAt(t, "image: {}", pictures, scores)
	photo := pngOf(t, 4, 4, steps)
	formed, formType := form(t, photo)
	textForm, textType := form(t, []byte("my card"))
	for _, c := range []struct {
		name string
		x    *IO
		body []byte
		kind string // content type
		want fault.Kind
		says string // "": it is taken
	}{
		{"picture", picture, photo, "image/png", 0, ""},
		{"picture as curl sends it", picture, photo, "application/x-www-form-urlencoded", 0, ""},
		{"picture in a form", picture, formed, formType, 0, ""},
		{"text for a picture", picture, []byte("my card"), "text/plain", fault.Media, "neither JPEG"},
		{"JSON for a picture", picture, []byte("{}"), "application/json", fault.Media, "the body is JSON"},
		{"nothing for a picture", picture, nil, "", fault.Usage, "the body is empty, and the model takes an image"},
		{"form without a boundary", picture, formed, "multipart/form-data", fault.Usage, "no boundary"},
		{"form cut off", picture, formed[:100], formType, fault.Usage, "the form"},
		{"content type", picture, photo, "image/", fault.Media, "content type"},

		{"text", words, []byte("my card"), "text/plain; charset=utf-8", 0, ""},
		{"text as curl sends it", words, []byte("my card"), "application/x-www-form-urlencoded", 0, ""},
		{"text in a form", words, textForm, textType, 0, ""},
		{"JSON string", words, []byte(`"my card"`), "application/json", 0, ""},
		{"JSON object", words, []byte(`{"text": "my card"}`), "application/json", 0, ""},
		{"JSON without text", words, []byte(`{"txt": "my card"}`), "application/json", fault.Usage, "no text"},
		{"JSON null", words, []byte(`null`), "application/json", fault.Usage, "no text"},
		{"picture for a text", words, photo, "image/png", fault.Media, "the model takes a text"},
		{"no UTF-8", words, []byte("my \xff card"), "", fault.Usage, "not UTF-8"},
		{"much text", words, bytes.Repeat([]byte("my "), maxText), "", fault.TooLarge, "over the limit"},
		{"nothing", words, nil, "", fault.Usage, "the model takes a text"},
	} {
		got, err := c.x.Encode(c.body, c.kind)
		if c.says == "" {
			if err != nil || c.x.Kind() == Text && describe(t, got) != "input_ids 1x4 [2 4 5 3]" {
				t.Errorf("%s: %v, %v", c.name, got, err)
			}
			continue
		}
		if err == nil || fault.KindOf(err) != c.want || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	none := openAt(t, "labels: {}", pictures, scores)
	if _, err := none.Encode(photo, ""); none.Kind() != None || fault.KindOf(err) != fault.Usage {
		t.Errorf("without an input: %v", err)
	}
	if _, err := picture.EncodeFile(filepath.Join(t.TempDir(), "gone.png")); fault.KindOf(err) != fault.Usage {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestDecode(t *testing.T) {
	path := folderWith(t, map[string]string{"n.txt": "cat\r\ndog\r\ncow\r\n", "n.json": `["cat", "dog", "cow"]`, "o.json": `{"1": ["n02", "dog"], "0": ["n01", "cat"], "2": ["n03", "cow"]}`, "b.json": `{"dog": 1, "cow": 2, "cat": 0}`})
	for _, c := range []struct{ name, text, want string }{
		{"scores", "labels: {top: 2, names: [cat, dog, cow]}", `{"labels":[{"label":"cow","index":2,"score":3},{"label":"cat","index":0,"score":1}]}`},
		{"a file of lines", "labels: {top: 1, names: n.txt}", `{"labels":[{"label":"cow","index":2,"score":3}]}`},
		{"a JSON list", "labels: {top: 1, names: n.json}", `{"labels":[{"label":"cow","index":2,"score":3}]}`},
		{"a JSON object by index", "labels: {top: 1, names: o.json}", `{"labels":[{"label":"cow","index":2,"score":3}]}`},
		{"a JSON object by name", "labels: {top: 1, names: b.json}", `{"labels":[{"label":"cow","index":2,"score":3}]}`},
		{"equal scores", "labels: {}", `{"labels":[{"label":"2","index":2,"score":3},{"label":"0","index":0,"score":1},{"label":"1","index":1,"score":1}]}`},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		x, err := Open(path, pictures, scores)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		y, _ := tensor.FromFloat32("y", tensor.Shape{2, 3}, []float32{9, 8, 7, 1, 1, 3})
		a, err := x.Decode([]tensor.Tensor{{Name: "other"}, y}, 1)
		b, _ := json.Marshal(a)
		if err != nil || string(b) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.name, b, err, c.want)
		}
	}
}

// Scores of 0, ln 2 and ln 5 are 1/8, 2/8 and 5/8 of their softmax; large ones do not overflow.
func TestSoftmax(t *testing.T) {
	x := openAt(t, "labels: {softmax: true}", pictures, scores)
	for _, shift := range []float64{0, 3000} {
		y, _ := tensor.FromFloat32("", tensor.Shape{1, 3}, []float32{float32(shift), float32(shift + math.Ln2), float32(shift + math.Log(5))})
		a, err := x.Decode([]tensor.Tensor{y}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range []float64{5. / 8, 2. / 8, 1. / 8} {
			if math.Abs(a.Labels[k].Score-want) > 1e-4 {
				t.Errorf("at %g: %v, want %g", shift, a.Labels[k], want)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	x := openAt(t, "labels: {names: [a, b, c]}", pictures, ports(port("y", tensor.Float32, "batch", "classes"), port("z", tensor.Float32, 1))[:1])
	nan, _ := tensor.FromFloat32("y", tensor.Shape{1, 3}, []float32{1, float32(math.NaN()), 2})
	two, _ := tensor.FromFloat32("y", tensor.Shape{1, 2}, []float32{1, 2})
	flat, _ := tensor.FromFloat32("y", tensor.Shape{3}, []float32{1, 2, 3})
	for _, c := range []struct {
		name string
		out  []tensor.Tensor
		row  int
		says string
	}{
		{"another output", []tensor.Tensor{{Name: "z"}}, 0, `the outputs lack "y"`},
		{"row", []tensor.Tensor{nan}, 1, "row 1 of output"},
		{"row below 0", []tensor.Tensor{nan}, -1, "row -1 of output"},
		{"NaN", []tensor.Tensor{nan}, 0, "NaN at class 1"},
		{"classes", []tensor.Tensor{two}, 0, "3 names and output \"y\" has 2 classes"},
		{"no rows", []tensor.Tensor{flat}, 1, "no axis of rows"},
	} {
		if _, err := x.Decode(c.out, c.row); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	if a, err := x.Decode([]tensor.Tensor{flat}, 0); err != nil || a.Labels[0].Label != "c" {
		t.Errorf("scores without rows: %v, %v", a, err)
	}
}

// One IO serves many goroutines.
func TestConcurrent(t *testing.T) {
	x := openAt(t, "image: {}\nlabels: {}", pictures, scores)
	photo := pngOf(t, 9, 9, steps)
	want, err := x.Encode(photo, "")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := x.Encode(photo, "")
			if err != nil || !bytes.Equal(got[0].Data, want[0].Data) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// What a row costs in allocations does not depend on its size: the tensors, the decoder's own, and a few buffers.
func TestAllocations(t *testing.T) {
	path := folderWith(t, map[string]string{"v.txt": wordVocab, "model.io.yaml": "text: {vocab: v.txt}"})
	pieces, err := Open(path, idsOnly, scores)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("my card ", 200))
	if n := testing.AllocsPerRun(20, func() { _, _ = pieces.Encode(text, "") }); n > 12 {
		t.Errorf("a text takes %g allocations", n)
	}
	// Go's regular expressions allocate each match.
	words := textIO(t, "", idsOnly...)
	if n := testing.AllocsPerRun(20, func() { _, _ = words.Encode(text, "") }); n > 400+12 {
		t.Errorf("a text of 400 words takes %g allocations", n)
	}
	x := openAt(t, "image: {}", pictures, scores)
	small, large := pngOf(t, 40, 40, steps), pngOf(t, 400, 400, steps)
	few := testing.AllocsPerRun(5, func() { _, _ = x.Encode(small, "") })
	many := testing.AllocsPerRun(5, func() { _, _ = x.Encode(large, "") })
	if many > few+10 {
		t.Errorf("a picture of 40×40 takes %g allocations, one of 400×400 %g", few, many)
	}
}
