package artifact

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/model/onnx"
	"infer/model/ortformat"
	"infer/report"
)

// The kinds of artifacts, as a report names them.
const (
	KindONNX     = "onnx"
	KindContext  = "ep_context" // an ONNX file with a part that an execution provider has compiled
	KindORT      = "ort"
	KindTensorRT = "tensorrt_engine"
	KindOpenVINO = "openvino_ir"
)

// The levels of findings.
const (
	levelOK      = "ok"
	levelNote    = "note"
	levelWarning = "warning"
	levelError   = "error" // why it would not load
)

// Place is the machine on which an artifact is to load. The zero Place has nothing.
type Place struct {
	Runtimes []Runtime                                                      // copies of ONNX Runtime
	Accepts  func(ctx context.Context, opsets []onnx.Opset, ir int64) error // asks the runtime whether it reads such files; nil: there is none to ask
	Custom   []string                                                       // libraries with custom operators that would be loaded
	GPUs     []host.GPU                                                     // of NVIDIA
	NoGPU    string                                                         // why there are none, in words
	TensorRT []TensorRT                                                     // copies of TensorRT
}

// Runtime is a copy of ONNX Runtime.
type Runtime struct {
	Version   string   // "1.30.0"
	Path      string   //
	Providers []string // as --provider takes them
}

// Check says what the artifact at path is, and whether it would load at p. It loads nothing: it reads what files say of
// themselves. Errors: fault.Usage for a path that is no artifact.
func Check(ctx context.Context, path string, p Place) (report.ArtifactCheck, error) {
	c := checker{ctx: ctx, path: path, place: p, out: report.ArtifactCheck{Path: path, Findings: []report.Finding{}}}
	err := c.check()
	return c.out, err
}

// Loads reports whether nothing was found that keeps an artifact from loading, and what was found first where something
// was.
func Loads(c report.ArtifactCheck) (bool, report.Finding) {
	for _, f := range c.Findings {
		if f.Level == levelError {
			return false, f
		}
	}
	return true, report.Finding{}
}

// checker gathers what is found.
type checker struct {
	ctx   context.Context
	path  string
	place Place
	out   report.ArtifactCheck
}

func (c *checker) fact(name, format string, args ...any) {
	c.out.Facts = append(c.out.Facts, report.Fact{Name: name, Value: fmt.Sprintf(format, args...)})
}

func (c *checker) find(level, name, fix, format string, args ...any) {
	c.out.Findings = append(c.out.Findings, report.Finding{Name: name, Level: level, Detail: fmt.Sprintf(format, args...), Fix: fix})
}

// fail makes a finding of an error, with its hint.
func (c *checker) fail(name string, err error) {
	c.find(levelError, name, fault.HintOf(err), "%v", err)
}

const usageHint = "give an .onnx, .ort, .plan, .engine or .xml file"

func (c *checker) check() error {
	info, err := os.Stat(c.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fault.New(fault.Usage, "check the path", "artifact %q does not exist", c.path)
	case err != nil:
		return fault.New(fault.Usage, "", "artifact: %w", err)
	case info.IsDir():
		return fault.New(fault.Usage, usageHint, "artifact %q is a folder", c.path)
	case !info.Mode().IsRegular():
		return fault.New(fault.Usage, usageHint, "artifact %q is no regular file", c.path)
	case info.Size() == 0:
		return fault.New(fault.Usage, usageHint, "artifact %q is empty", c.path)
	}
	head, err := c.head()
	if err != nil {
		return fault.New(fault.Usage, "", "artifact: %w", err)
	}
	c.fact("size", "%s", size(info.Size()))
	switch {
	case bytes.HasPrefix(head, []byte("ftrt")), bytes.HasPrefix(head, []byte("ptrt")):
		return c.engine()
	case ortformat.Is(head):
		return c.ortFile()
	case looksLikeXML(head):
		return c.openVINO()
	}
	return c.onnxFile()
}

// head reads the first bytes of the file.
func (c *checker) head() ([]byte, error) {
	f, err := os.Open(c.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 64)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return b[:n], nil
}

// looksLikeXML reports whether a text starts with a tag, behind a byte order mark and blanks.
func looksLikeXML(head []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))), []byte("<"))
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// provider says whether some copy of ONNX Runtime here has an execution provider, and returns it.
func (c *checker) provider(name string) (Runtime, bool) {
	for _, r := range c.place.Runtimes {
		for _, p := range r.Providers {
			if p == name {
				return r, true
			}
		}
	}
	return Runtime{}, false
}

// gpu finds out whether there is an NVIDIA GPU, and tells when there is none.
func (c *checker) gpu() (host.GPU, bool) {
	if len(c.place.GPUs) > 0 {
		return c.place.GPUs[0], true
	}
	c.find(levelError, "gpu", "load it on a machine with an NVIDIA GPU", "it needs an NVIDIA GPU, and none is here: %s", cmp.Or(c.place.NoGPU, "none was looked for"))
	return host.GPU{}, false
}
