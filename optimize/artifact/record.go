package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
)

// recordSchema names the layout of a record. Fields are only ever added.
const recordSchema = "infer.engine/v1"

// Engine is what a compiled engine was made of and for. It lies beside the engine, and tells a later conversion whether
// there is anything to do.
type Engine struct {
	Schema   string            `json:"schema"`
	Key      string            `json:"key"`          // see MakeKey
	Model    string            `json:"model_sha256"` // of the model and its external data, hex
	Maker    string            `json:"made_by"`      // "trtexec", or "onnxruntime 1.30.0"
	TensorRT string            `json:"tensorrt"`     // version
	GPU      string            `json:"gpu"`          //
	Compute  string            `json:"compute_capability"`
	Driver   string            `json:"driver"`
	Profiles []string          `json:"profiles,omitempty"` // of shapes
	Options  map[string]string `json:"options,omitempty"`  // all others that the engine depends on
	Seconds  float64           `json:"build_seconds"`      //
	Files    []File            `json:"files"`              // that belong to it, beside the record
}

// File is a file of an engine.
type File struct {
	Name   string `json:"name"` // relative to the record, with slashes
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hex
}

// RecordPath returns where the record of an engine lies: "model.plan.engine.json" beside "model.plan".
func RecordPath(artifact string) string { return artifact + ".engine.json" }

func recordName(artifact string) string { return filepath.Base(RecordPath(artifact)) }

// part is one thing that an engine depends on.
type part struct{ name, value string }

// parts lists what the key is made of, in a fixed order.
func (e Engine) parts() []part {
	list := []part{
		{"the model", e.Model}, {"what made it", e.Maker}, {"TensorRT", e.TensorRT}, {"the driver", e.Driver},
		{"the compute capability", e.Compute}, {"the profiles", strings.Join(e.Profiles, " ")},
	}
	for _, k := range slices.Sorted(maps.Keys(e.Options)) {
		list = append(list, part{"option " + k, e.Options[k]})
	}
	return list
}

// MakeKey returns the SHA-256, in hex, over all that an engine depends on: the model, what made it, the versions of
// TensorRT and of the driver, the compute capability, profiles and options.
func (e Engine) MakeKey() string {
	h := sha256.New()
	for _, p := range e.parts() {
		fmt.Fprintf(h, "%d:%s%d:%s", len(p.name), p.name, len(p.value), p.value)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Differs says in words in what another engine is not like e: "the driver (was 570.1, is 580.2)". "" means in nothing
// that the key is made of.
func (e Engine) Differs(now Engine) string {
	values := map[string][2]string{}
	var order []string
	for side, list := range [][]part{e.parts(), now.parts()} {
		for _, p := range list {
			v, seen := values[p.name]
			if !seen {
				order = append(order, p.name)
			}
			v[side] = p.value
			values[p.name] = v
		}
	}
	var words []string
	for _, name := range order {
		v := values[name]
		switch {
		case v[0] == v[1]:
		case name == "the model":
			words = append(words, name)
		default:
			words = append(words, fmt.Sprintf("%s (was %s, is %s)", name, orUnset(v[0]), orUnset(v[1])))
		}
	}
	return strings.Join(words, ", ")
}

func orUnset(s string) string { return firstOf(s, "not set") }

// Note adds a file of the engine to its record. path lies in or below dir, the folder of the record.
func (e *Engine) Note(dir, path string) error {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	sum, n, err := digest(path)
	if err != nil {
		return err
	}
	e.Files = append(e.Files, File{Name: filepath.ToSlash(rel), Bytes: n, SHA256: sum})
	return nil
}

// Intact reports files of the engine at artifact that are gone or have changed since it was made. It reads all of them.
func (e Engine) Intact(artifact string) error {
	if len(e.Files) == 0 {
		return errors.New("it names no files")
	}
	for _, f := range e.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
			return fmt.Errorf("it names %q, which is not beside it", f.Name)
		}
		path := filepath.Join(filepath.Dir(artifact), filepath.FromSlash(f.Name))
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%q is gone", f.Name)
		case err != nil:
			return err
		case info.Size() != f.Bytes:
			return fmt.Errorf("%q has %d bytes, not %d", f.Name, info.Size(), f.Bytes)
		}
		if sum, _, err := digest(path); err != nil || sum != f.SHA256 {
			return fmt.Errorf("%q has changed", f.Name)
		}
	}
	return nil
}

func digest(path string) (sum string, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// maxRecord is far above the size of a record.
const maxRecord = 1 << 20

// ReadEngine reads a record; nil where there is none.
func ReadEngine(path string) (*Engine, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "", "read the record of the engine: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil, fault.New(fault.Internal, "", "read the record of the engine: %w", err)
	}
	return parseEngine(b)
}

func parseEngine(b []byte) (*Engine, error) {
	var e Engine
	if err := json.Unmarshal(b, &e); err != nil || e.Schema != recordSchema {
		return nil, fault.New(fault.Internal, "convert the model again", "the record of the engine is damaged or of another release of infer")
	}
	return &e, nil
}

// Encode writes the record as it is kept.
func (e Engine) Encode() ([]byte, error) {
	e.Schema, e.Key = recordSchema, e.MakeKey()
	b, err := json.MarshalIndent(e, "", "  ")
	return append(b, '\n'), err
}
