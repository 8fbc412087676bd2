package trtexec

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"regexp"

	"infer/internal/fault"
)

// Plan is what the first bytes of a serialized engine say.
type Plan struct {
	Version Version // of the TensorRT that built it; zero where this layout of the file is not known
	Build   int     // its fourth number
	Bytes   int64   // size of the file
}

// ErrNoPlan says that a file is no serialized engine.
var ErrNoPlan = errors.New("it is no TensorRT engine")

// The start of an engine file, as trtexec --getPlanVersionOnly reads it: a tag, the version of the layout, and in
// layout 0 four bytes of the version from byte 24 on. Ref: NVIDIA/TensorRT samples/common/sampleEngines.cpp.
const (
	planTag    = 0x74727466 // "ftrt", little-endian
	planHeader = 28
)

// ReadPlan reads the start of an engine file. ErrNoPlan is in the error of a file that is none.
func ReadPlan(path string) (Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return Plan{}, fault.New(fault.Usage, "", "read engine: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Plan{}, fault.Wrap(err, "read engine")
	}
	p, err := ParsePlan(f)
	if err != nil {
		return Plan{}, fault.Wrap(err, "read engine %q", path)
	}
	p.Bytes = info.Size()
	return p, nil
}

// ParsePlan reads the start of an engine; Plan.Bytes stays 0. The error is ErrNoPlan.
func ParsePlan(r io.Reader) (Plan, error) {
	var head [planHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || binary.LittleEndian.Uint32(head[:]) != planTag {
		return Plan{}, ErrNoPlan
	}
	if binary.LittleEndian.Uint32(head[4:]) != 0 {
		return Plan{}, nil
	}
	return Plan{Version: Version{int(head[24]), int(head[25]), int(head[26])}, Build: int(head[27])}, nil
}

var planVersion = regexp.MustCompile(`Plan was created with TensorRT version (\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})`)

// PlanVersion asks the tool which TensorRT built an engine, without loading it.
func (t *Tool) PlanVersion(ctx context.Context, path string) (Version, error) {
	r, err := t.run(ctx, []string{"--getPlanVersionOnly", "--loadEngine=" + path}, "ask for the version of the engine", nil)
	if err != nil {
		return Version{}, err
	}
	for _, l := range r.Lines {
		if m := planVersion.FindStringSubmatch(l); m != nil {
			return Version{number(m[1]), number(m[2]), number(m[3])}, nil
		}
	}
	return Version{}, fault.New(fault.Unsupported, "", "trtexec did not tell which TensorRT built %q", path)
}
