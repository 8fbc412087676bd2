package declared

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// port declares an input or output; a dimension is an int (fixed) or a string (a symbol).
func port(name string, d tensor.DType, dims ...any) model.Port {
	ty := &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: true}
	for _, v := range dims {
		switch v := v.(type) {
		case int:
			ty.Dims = append(ty.Dims, onnx.Fixed(int64(v)))
		case string:
			ty.Dims = append(ty.Dims, onnx.Symbol(v))
		}
	}
	return model.Port{Name: name, Type: ty}
}

func ports(p ...model.Port) []model.Port { return p }

var (
	pictures = ports(port("x", tensor.Float32, "batch", 3, 4, 4))
	idsOnly  = ports(port("input_ids", tensor.Int64, "batch", "sequence"))
	scores   = ports(port("y", tensor.Float32, "batch", 3))
)

// folderWith writes files into a folder and returns the path of the one called model.io.yaml.
func folderWith(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "model.io.yaml")
}

func TestFind(t *testing.T) {
	path := folderWith(t, map[string]string{"model.io.yaml": "", "other.onnx": ""})
	if got, ok := Find(filepath.Join(filepath.Dir(path), "model.onnx")); !ok || got != path {
		t.Errorf("%s, %v", got, ok)
	}
	if got, ok := Find(filepath.Join(filepath.Dir(path), "model.int8.onnx")); !ok || got != path {
		t.Errorf("of a quantized model: %s, %v", got, ok)
	}
	for _, name := range []string{"other.onnx", "model.v2.onnx", "other.int8.onnx"} {
		if got, ok := Find(filepath.Join(filepath.Dir(path), name)); ok {
			t.Errorf("%s: found %s", name, got)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	two := append(ports(pictures...), port("state", tensor.Float32, 1, 8))
	for _, c := range []struct {
		name, text string
		in, out    []model.Port
		says, hint string
	}{
		{"nothing", "", pictures, scores, "declares nothing", ""},
		{"no YAML", "image: [", pictures, scores, "line 1", "YAML"},
		{"a tab", "image:\n\tsize: 4", pictures, scores, "cannot start", "line 2 is indented with a tab"},
		{"no mapping", "- image", pictures, scores, "the file is no mapping", ""},
		{"key", "imag: {}", pictures, scores, `line 1: unknown key "imag"`, "did you mean image?"},
		{"inner key", "image:\n  chanels: rgb", pictures, scores, `line 2: unknown key "image.chanels"`, "did you mean channels?"},
		{"size key", "image: {size: {widht: 4, height: 4}}", pictures, scores, `unknown key "size.widht"`, "did you mean width?"},
		{"far key", "image: {zzz: 1}", pictures, scores, `unknown key "image.zzz"`, "known keys: input, size"},
		{"alias", "image: &a {}\ntext: *a", pictures, scores, "alias", ""},
		{"twice", "image: {}\nimage: {}", pictures, scores, "already defined", ""},
		{"both", "image: {}\ntext: {}", pictures, scores, "both declared", ""},
		{"input", "image: {input: z}", pictures, scores, `no "z"`, "the model has x"},
		{"other input", "image: {input: x}", two, scores, `input "state" is not declared`, ""},
		{"which input", "image: {}", two, scores, "image.input is not given and the model has 2", "x, state"},
		{"rank", "image: {}", ports(port("x", tensor.Float32, "batch", 3)), scores, "float32 [batch, 3], not a tensor of rank 4", ""},
		{"channels", "image: {channels: gray}", pictures, scores, "no axis of 1 channels", ""},
		{"layout", "image: {layout: nhwc}", pictures, scores, "no axis of 3 channels", ""},
		{"layout name", "image: {layout: hwc}", pictures, scores, `layout "hwc" is not known`, "nchw or nhwc"},
		{"layout unclear", "image: {size: 3}", ports(port("x", tensor.Float32, 1, 3, 3, 3)), scores, "which axis are the channels", ""},
		{"open size", "image: {}", ports(port("x", tensor.Float32, 1, 3, "h", "w")), scores, "leaves the height open", "size: 224"},
		{"other size", "image: {size: 5}", pictures, scores, "height is 5 and the model takes 4", ""},
		{"size 0", "image: {size: 0}", pictures, scores, "the height is 0", ""},
		{"fit", "image: {fit: cover}", pictures, scores, `fit "cover" is not known`, "crop or stretch or letterbox"},
		{"shorter", "image: {shorter: 3}", pictures, scores, "shorter is 3 and 4×4", ""},
		{"shorter of stretch", "image: {fit: stretch, shorter: 8}", pictures, scores, "shorter belongs to fit: crop", ""},
		{"fill of crop", "image: {fill: 1}", pictures, scores, "belong to fit: letterbox", ""},
		{"fill", "image: {fit: letterbox, fill: 256}", pictures, scores, "fill is 256", ""},
		{"filter", "image: {filter: linear}", pictures, scores, `filter "linear"`, "bilinear"},
		{"rounding", "image: {rounding: up}", pictures, scores, `rounding "up"`, ""},
		{"mean", "image: {mean: [1, 2]}", pictures, scores, "mean has 2 numbers for 3 channels", ""},
		{"std", "image: {std: 0}", pictures, scores, "std is 0", ""},
		{"scale", "image: {scale: 1/0}", pictures, scores, `"1/0" is neither`, ""},
		{"NaN", "image: {scale: .nan}", pictures, scores, "becomes NaN", ""},
		{"bytes", "image: {scale: 1/255}", ports(port("x", tensor.Uint8, 1, 3, 4, 4)), scores, "which is no uint8", ""},
		{"range", "image: {mean: 1}", ports(port("x", tensor.Uint8, 1, 3, 4, 4)), scores, "does not fit uint8", ""},
		{"strings", "image: {}", ports(port("x", tensor.String, 1, 3, 4, 4)), scores, "string cannot take an image", ""},
		{"background", "image: {background: [1, 2, 300]}", pictures, scores, "background is 300", ""},
		{"max_pixels", "image: {max_pixels: -1}", pictures, scores, "max_pixels is -1", ""},

		{"tokenizer", "text: {tokenizer: sentencepiece}", idsOnly, scores, `tokenizer "sentencepiece"`, "tokenizer.json"},
		{"no vocab", "text: {}", idsOnly, scores, "wordpiece: needs vocab:", ""},
		{"vocab gone", "text: {vocab: gone.txt}", idsOnly, scores, `gone.txt" does not exist`, "relative"},
		{"vocab folder", "text: {vocab: .}", idsOnly, scores, "not a regular file", ""},
		{"pattern", "text: {tokenizer: words, vocab: v.txt, pattern: '('}", idsOnly, scores, "missing closing", "RE2"},
		{"foreign key", "text: {vocab: v.txt, merges: m.txt}", idsOnly, scores, "merges: wordpiece takes no such key", ""},
		{"key of a file", "text: {tokenizer: t.json, lower: true}", idsOnly, scores, "lower: a tokenizer.json takes no such key", ""},
		{"unknown token", "text: {vocab: v.txt, unknown: '<unk>'}", idsOnly, scores, `no unknown token "<unk>"`, ""},
		{"ids", "text: {vocab: v.txt, ids: tokens}", idsOnly, scores, `text.ids: the model has no "tokens"`, ""},
		{"role", "text: {vocab: v.txt, mask: input_ids}", idsOnly, scores, "another role", ""},
		{"floats", "text: {vocab: v.txt}", ports(port("input_ids", tensor.Float32, "batch", "s")), scores, "input_ids\" is float32", ""},
		{"third input", "text: {vocab: v.txt}", append(ports(idsOnly...), port("z", tensor.Int64, 1)), scores, `input "z" is not declared`, ""},
		{"too short", "text: {vocab: v.txt, max_length: 2}", idsOnly, scores, "max_length is 2, and 2 ids", ""},
		{"pad_to", "text: {vocab: v.txt, max_length: 4, pad_to: 5}", idsOnly, scores, "pad_to is 5", ""},
		{"fixed", "text: {vocab: v.txt, max_length: 9}", ports(port("input_ids", tensor.Int64, 1, 8)), scores, "takes 8 ids", ""},

		{"output", "labels: {output: z}", pictures, scores, `labels.output: the model has no "z"`, "the model has y"},
		{"integers", "labels: {}", pictures, ports(port("y", tensor.Int64, "batch")), "scores are floats", ""},
		{"names", "labels: {names: [a, b]}", pictures, scores, `2 names and output "y" has 3 classes`, ""},
		{"names gone", "labels: {names: gone.txt}", pictures, scores, "does not exist", ""},
		{"no names", "labels: {names: empty.txt}", pictures, scores, "no names", ""},
		{"index twice", "labels: {names: twice.json}", pictures, scores, "no index of its own", ""},
		{"top", "labels: {top: -1}", pictures, scores, "labels.top is -1", ""},
	} {
		path := folderWith(t, map[string]string{
			"model.io.yaml": c.text, "v.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "m.txt": "", "t.json": "{}", "empty.txt": " ", "twice.json": `{"a": 0, "b": 0}`,
		})
		_, err := Open(path, c.in, c.out)
		if err == nil || fault.ExitCode(err) == 0 || !strings.Contains(err.Error(), c.says) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v (%s), want %q (%s)", c.name, err, fault.HintOf(err), c.says, c.hint)
			continue
		}
		if k := fault.KindOf(err); k != fault.Usage && k != fault.Unsupported {
			t.Errorf("%s: kind %d", c.name, k)
		}
	}
}

// The examples of the manual open, against the signatures that they are written for.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/declared-io.md")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.TrimSuffix(strings.Repeat("name\n", 1000), "\n")
	three := ports(port("input_ids", tensor.Int64, "batch", "sequence"), port("attention_mask", tensor.Int64, "batch", "sequence"),
		port("token_type_ids", tensor.Int64, "batch", "sequence"))
	signatures := map[string][]model.Port{
		"squeezenet1.1-fp32.io.yaml": ports(port("data_0", tensor.Float32, "batch", 3, 224, 224)),
		"resnet50.io.yaml":           ports(port("input", tensor.Float32, "batch", 3, 224, 224)),
		"yolox-nano.io.yaml":         ports(port("images", tensor.Float32, 1, 3, 416, 416)),
		"banking77-encoder.io.yaml":  three[:2],
		"bert.io.yaml":               three,
		"sentence-encoder.io.yaml":   three,
		"gpt2.io.yaml":               three[:1],
	}
	tokenizer, err := os.ReadFile("token/testdata/bert-uncased.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for i, block := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		name, _, _ := strings.Cut(strings.TrimPrefix(block, "# "), "\n")
		in, ok := signatures[name]
		if !ok {
			t.Errorf("example %d begins with %q, which names no known file", i, name)
			continue
		}
		path := folderWith(t, map[string]string{
			"model.io.yaml": block, "vocab.txt": "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "tokenizer.json": string(tokenizer), "imagenet_class_index.json": names,
			"label_names.json": names, "vocab.json": `{"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3}`, "merges.txt": "#version: 0.2\na b\n",
		})
		if _, err := Open(path, in, ports(port("y", tensor.Float32, "batch", 1000))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		seen++
	}
	if seen != len(signatures) {
		t.Errorf("%d examples", seen)
	}
}

// FuzzOpen holds every declaration to an error or to one that encodes.
func FuzzOpen(f *testing.F) {
	for _, text := range []string{
		"image: {shorter: 8, scale: 1/255, mean: [1, 2, 3], std: 2, channels: bgr}",
		"image:\n  fit: letterbox\n  fill: [1, 2, 3]\n  filter: area\n  rounding: down\n  size: {width: 4, height: 4}",
		"labels: {names: [a, b, c], softmax: true, top: 2}\nimage: {background: 255, antialias: false}",
		"image: &x {}\nlabels: *x", "a: [&b [*b]]", "image: {mean: 1e999}",
	} {
		f.Add(text)
	}
	picture, err := os.ReadFile("picture/testdata/rgb.png")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse([]byte(text))
		if err != nil || s.Image == nil || s.Labels != nil && s.Labels.Names != nil && s.Labels.Names.file != "" {
			return
		}
		x, err := newImageInput(*s.Image, pictures)
		if err != nil {
			return
		}
		got, err := x.encode(picture)
		if err != nil {
			return // too many pixels
		}
		if err := got[0].Check(); err != nil {
			t.Fatal(err)
		}
	})
}
