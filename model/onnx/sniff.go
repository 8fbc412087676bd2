package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"infer/internal/fault"
)

// signature is how a file of another kind starts.
type signature struct {
	at    int
	magic string
	what  string
	hint  string
}

const again = "download or export the model again"

// signatures holds the formats that people take for ONNX, the more special ones first. The first one is Git LFS.
var signatures = []signature{
	{0, "version https://git-lfs", "a Git LFS pointer, not the model itself", "run 'git lfs pull' in its repository, or download the file itself"},
	{4, "ORTM", "an ONNX Runtime (.ort) model, and ONNX is wanted here", "use the .onnx file that it was made from"},
	{4, "TFL3", "a TensorFlow Lite model", "convert it with tf2onnx"},
	{0, "ptrt", "a TensorRT engine", "use the .onnx file that it was built from"},
	{0, "ftrt", "a TensorRT engine", "use the .onnx file that it was built from"},
	{0, "GGUF", "a GGUF model", "export the original model to ONNX"},
	{0, "\x89HDF\r\n", "an HDF5 file, perhaps a Keras model", "convert it with tf2onnx"},
	{0, "\x93NUMPY", "a NumPy array (.npy)", "pass it as --input, and the .onnx file as the model"},
	{0, "\x80\x02", "a Python pickle, perhaps a PyTorch checkpoint", "export it with torch.onnx.export"},
	{0, "\x80\x03", "a Python pickle", "export the model to ONNX, with skl2onnx for scikit-learn"},
	{0, "\x80\x04\x95", "a Python pickle", "export the model to ONNX, with skl2onnx for scikit-learn"},
	{0, "\x80\x05\x95", "a Python pickle", "export the model to ONNX, with skl2onnx for scikit-learn"},
	{0, "\x1f\x8b", "a gzip archive", "unpack it first"},
	{0, "\x28\xb5\x2f\xfd", "a zstd archive", "unpack it first"},
	{0, "\xfd7zXZ", "an xz archive", "unpack it first"},
	{0, "BZh", "a bzip2 archive", "unpack it first"},
	{0, "7z\xbc\xaf", "a 7-Zip archive", "unpack it first"},
	{257, "ustar", "a tar archive", "unpack it first"},
	{0, "\x7fELF", "a program or library (ELF)", again},
	{0, "\x89PNG", "a PNG image", "pass it as --input, and the .onnx file as the model"},
	{0, "\xff\xd8\xff", "a JPEG image", "pass it as --input, and the .onnx file as the model"},
	{0, "%PDF", "a PDF document", again},
}

// explain says what a file is that could not be decoded (err) or that holds no graph (err is nil).
func explain(b []byte, err error) error {
	if what, hint := sniff(b); what != "" {
		return fault.New(fault.Unsupported, hint, "not an ONNX model: the file is %s", what)
	}
	var w *wireError
	switch {
	case err == nil:
		return fault.New(fault.Unsupported, again, "not an ONNX model: it holds no graph")
	case !errors.As(err, &w):
		return err
	case w.top && w.truncated && w.sawIR:
		return fault.New(fault.Internal, again, "the file is truncated after %d bytes: %s", len(b), w.msg)
	case w.sawIR || startsLikeONNX(b):
		return fault.New(fault.Internal, again, "the file is corrupt: %s", w.msg)
	}
	return fault.New(fault.Unsupported, "pass a .onnx file", "not an ONNX model: %s", w.msg)
}

// startsLikeONNX reports whether the first field is an ir_version that may be.
func startsLikeONNX(b []byte) bool { return len(b) > 1 && b[0] == 0x08 && b[1] > 0 && b[1] < 100 }

// sniff names what b is by how it starts, with a hint; "" where it cannot tell.
func sniff(b []byte) (what, hint string) {
	for _, s := range signatures {
		if len(b) > s.at && bytes.HasPrefix(b[s.at:], []byte(s.magic)) {
			return s.what, s.hint
		}
	}
	head := b[:min(len(b), 4096)]
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return sniffZip(head)
	case len(head) > 10 && head[8] == '{' && head[9] == '"' && bytes.Equal(head[5:8], []byte{0, 0, 0}):
		return "a safetensors file", "export the model to ONNX"
	case bytes.Count(head, []byte{0}) == len(head):
		return "nothing but zero bytes, perhaps an unfinished download", again
	case bytes.HasPrefix(head, []byte("\x08\x01\x12")) && bytes.Contains(head, []byte("\x12\x05serve")):
		return "a TensorFlow SavedModel", "convert it with tf2onnx"
	}
	return sniffText(head)
}

// sniffZip tells apart what comes as a zip archive, by the name of its first entries.
func sniffZip(head []byte) (what, hint string) {
	switch {
	case bytes.Contains(head, []byte("data.pkl")), bytes.Contains(head, []byte("/version")):
		return "a PyTorch checkpoint (zip)", "export it with torch.onnx.export"
	case bytes.Contains(head, []byte(".npy")):
		return "a NumPy archive (.npz)", "pass it as --input, and the .onnx file as the model"
	case bytes.Contains(head, []byte("config.json")):
		return "a Keras model (zip)", "convert it with tf2onnx"
	}
	return "a zip archive", "unpack it first"
}

// sniffText tells apart what is text.
func sniffText(head []byte) (what, hint string) {
	text := strings.TrimPrefix(string(head), "\ufeff")
	text = strings.ToLower(strings.TrimLeft(text, " \t\r\n"))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "an HTML page, perhaps what a download link led to", "download the file itself (the raw or resolved link)"
	case strings.HasPrefix(text, "<?xml") && strings.Contains(text, "<net"):
		return "an OpenVINO model (XML)", "use the .onnx file that it was made from"
	case strings.HasPrefix(text, "<?xml"), strings.HasPrefix(text, "<"):
		return "an XML document", again
	}
	if !isText(head) {
		return "", ""
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return "a JSON document", "pass a .onnx file"
	}
	return fmt.Sprintf("a text file that starts with %q", firstWords(head)), "pass a .onnx file"
}

// isText reports whether b, which may end inside a character, holds nothing but text.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return len(b) < utf8.UTFMax
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return false
		}
		b = b[n:]
	}
	return true
}

// firstWords returns the start of a text's first line.
func firstWords(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if r := []rune(line); len(r) > 40 {
		return string(r[:40])
	}
	return line
}
