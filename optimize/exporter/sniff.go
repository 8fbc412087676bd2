package exporter

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"infer/internal/fault"
)

// Kind is what a model of PyTorch or TensorFlow is stored as. "" is none of them.
type Kind string

// The kinds. Those that Check refuses are kinds too, so that they are named and not taken for broken ONNX.
const (
	TorchScript     Kind = "torchscript"      // torch.jit.save: a program and its weights
	ExportedProgram Kind = "exported program" // torch.export.save: a graph, its weights and the shapes of its inputs
	SavedModel      Kind = "savedmodel"       // a folder of tf.saved_model.save
	Keras           Kind = "keras"            // a .keras archive
	TFLite          Kind = "tflite"           // a flatbuffer of TensorFlow Lite

	Pickle   Kind = "pickle"   // torch.save: weights without a program, or a pickled module
	Compiled Kind = "compiled" // a .pt2 package of AOTInductor: machine code without a graph
	HDF5     Kind = "hdf5"     // the old format of Keras
)

// The beginnings of files that are no zip archives.
const (
	zipMagic    = "PK\x03\x04"
	hdf5Magic   = "\x89HDF\r\n\x1a\n"
	legacyTorch = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." // torch.save before PyTorch 1.6: a pickled magic number
	tfliteMagic = "TFL3"                                       // at byte 4
)

// savedModelFiles are what a SavedModel's folder holds one of.
var savedModelFiles = []string{"saved_model.pb", "saved_model.pbtxt"}

// Sniff says what lies at a path by its content, whatever it is called: a file, or the folder of a SavedModel, which the
// saved_model.pb inside it stands for too. What is no model of PyTorch or TensorFlow, or is not there, is "".
func Sniff(path string) Kind {
	path = Root(path)
	if info, err := os.Stat(path); err != nil {
		return ""
	} else if info.IsDir() {
		for _, name := range savedModelFiles {
			if _, err := os.Stat(filepath.Join(path, name)); err == nil {
				return SavedModel
			}
		}
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return sniffFile(f)
}

// Root returns the folder of a SavedModel where path is the file inside it, else path.
func Root(path string) string {
	for _, name := range savedModelFiles {
		if filepath.Base(path) == name {
			return filepath.Dir(path)
		}
	}
	return path
}

func sniffFile(f *os.File) Kind {
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte(zipMagic)):
		info, err := f.Stat()
		if err != nil {
			return ""
		}
		return sniffZip(f, info.Size())
	case bytes.HasPrefix(head, []byte(hdf5Magic)):
		return HDF5
	case bytes.HasPrefix(head, []byte(legacyTorch)):
		return Pickle
	case len(head) >= 8 && string(head[4:8]) == tfliteMagic:
		return TFLite
	}
	return ""
}

// sniffZip tells the archives apart. PyTorch puts everything into one folder of any name; Keras, and the .pt2 of PyTorch
// before 2.8, nothing.
func sniffZip(r io.ReaderAt, size int64) Kind {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return ""
	}
	top, inner := map[string]bool{}, map[string]bool{}
	script := false
	for _, f := range z.File {
		name := path.Clean(f.Name)
		top[name] = true
		if _, rest, ok := strings.Cut(name, "/"); ok {
			inner[rest] = true
			script = script || strings.HasPrefix(rest, "code/")
		}
		if strings.Contains(name, "data/aotinductor/") {
			inner["aotinductor"] = true
		}
	}
	switch {
	case inner["models/model.json"], top["serialized_exported_program.json"], inner["serialized_exported_program.json"]:
		return ExportedProgram
	case inner["aotinductor"]:
		return Compiled
	case script && inner["constants.pkl"]:
		return TorchScript
	case inner["data.pkl"]:
		return Pickle
	case top["config.json"] && top["model.weights.h5"]:
		return Keras
	}
	return ""
}

// Check returns the error that says why a kind cannot be converted and what can be done instead; nil for those that can.
func (k Kind) Check(path string) error {
	switch k {
	case Pickle:
		return fault.New(fault.Unsupported, "save a program in place of weights: torch.export.save(torch.export.export(model, inputs), \"net.pt2\")",
			"%q was written by torch.save: it holds weights without a program, or a pickled module, which would run arbitrary code when it is read", path)
	case Compiled:
		return fault.New(fault.Unsupported, "convert the program that it was compiled of, the .pt2 of torch.export.save",
			"%q is a package of AOTInductor: machine code without a graph", path)
	case HDF5:
		return fault.New(fault.Unsupported, "make a SavedModel of it: keras.models.load_model(\"net.h5\").export(\"net\"), then convert that folder",
			"%q is a model in HDF5: reading it may run code that it holds, which its format cannot rule out", path)
	case "":
		return fault.New(fault.Usage, "name a TorchScript file, a .pt2, a SavedModel's folder, a .keras or a .tflite file",
			"%q is no model of PyTorch or TensorFlow", path)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Usage, "check the path", "model %q does not exist", path)
	}
	return nil
}
