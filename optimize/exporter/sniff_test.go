package exporter

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
)

// archive is a zip with empty files of these names.
func archive(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range names {
		if _, err := w.Create(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSniff: kinds are told by content; the layouts are those of files that PyTorch 1.13 and 2.15 and Keras 3.15 wrote.
func TestSniff(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		content []byte
		want    Kind
		refused string
	}{
		"torchscript":      {"net.bin", archive(t, "net/data.pkl", "net/code/__torch__.py", "net/constants.pkl", "net/version"), TorchScript, ""},
		"pt2 of 2.8":       {"net.pt2", archive(t, "net/models/model.json", "net/data/weights/weight_0", "net/archive_format"), ExportedProgram, ""},
		"pt2 before":       {"net.pt2", archive(t, "serialized_exported_program.json", "serialized_state_dict.pt", "version"), ExportedProgram, ""},
		"keras":            {"net.keras", archive(t, "metadata.json", "config.json", "model.weights.h5"), Keras, ""},
		"tflite":           {"net.onnx", []byte("\x1c\x00\x00\x00TFL3\x14\x00\x20\x00"), TFLite, ""},
		"state dict":       {"net.pt", archive(t, "net/data.pkl", "net/data/0", "net/version"), Pickle, "weights without a program"},
		"old state dict":   {"net.pth", []byte(legacyTorch + "\x80\x02M\xe9\x03."), Pickle, "weights without a program"},
		"aotinductor":      {"net.pt2", archive(t, "net/data/aotinductor/model/a.so", "net/archive_format"), Compiled, "machine code"},
		"hdf5":             {"net.h5", []byte(hdf5Magic + "\x00\x00"), HDF5, "HDF5"},
		"another zip":      {"data.npz", archive(t, "x.npy"), "", "no model of PyTorch"},
		"a broken zip":     {"net.pt", []byte(zipMagic + "nothing"), "", "no model of PyTorch"},
		"an ONNX model":    {"net.pt", []byte("\x08\x08\x12\x07pytorch"), "", "no model of PyTorch"},
		"an empty file":    {"net.pt", nil, "", "no model of PyTorch"},
		"a SavedModel":     {"sub/saved_model.pb", []byte("\x08\x01"), SavedModel, ""},
		"one as text":      {"sub/saved_model.pbtxt", []byte("x"), SavedModel, ""},
		"other .pb":        {"sub/graph.pb", []byte("\x08\x01"), "", "no model of PyTorch"},
		"a script in code": {"net.pt", archive(t, "net/code/a.py", "net/data.pkl"), Pickle, "weights without a program"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			got := Sniff(path)
			if got != c.want {
				t.Fatalf("%q, want %q", got, c.want)
			}
			if c.want == SavedModel && Sniff(filepath.Dir(path)) != SavedModel {
				t.Error("the folder itself is none")
			}
			err := got.Check(path)
			if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused) || fault.HintOf(err) == "") {
				t.Errorf("%v, want %q", err, c.refused)
			}
		})
	}
	if got := Sniff(filepath.Join(t.TempDir(), "none.pt")); got != "" {
		t.Errorf("what is not there is %q", got)
	}
	if got := Sniff(t.TempDir()); got != "" {
		t.Errorf("an empty folder is %q", got)
	}
}

// FuzzSniffZip: whatever an archive holds, it is one of the kinds.
func FuzzSniffZip(f *testing.F) {
	f.Add(archive(f, "net/data.pkl", "net/code/a.py", "net/constants.pkl"))
	f.Add(archive(f, "/", "//", "a/", "../x"))
	f.Add([]byte(zipMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		switch k := sniffZip(bytes.NewReader(b), int64(len(b))); k {
		case "", TorchScript, ExportedProgram, Keras, Pickle, Compiled:
		default:
			t.Errorf("kind %q", k)
		}
	})
}
