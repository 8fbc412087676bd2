package convert

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"infer/internal/child"
	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/tensor"
)

// runIR is a Python program that runs an IR once: its arguments are the .xml, a folder, the names of the inputs, "--" and
// the names of the outputs. Input i is in0.npy, in1.npy, … of the folder, output i becomes out0.npy, ….
const runIR = `
import sys, numpy, openvino
xml, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]
cut = names.index("--")
core = openvino.Core()
compiled = core.compile_model(core.read_model(xml), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
result = compiled({n: numpy.load(f"{folder}/in{i}.npy") for i, n in enumerate(names[:cut])})
for i, n in enumerate(names[cut + 1:]):
    numpy.save(f"{folder}/out{i}.npy", result[compiled.output(n)])
`

// irSession runs an IR in the Python that ovc belongs to, a process for each run: what infer itself loads cannot read one.
type irSession struct {
	python, xml     string
	inputs, outputs []engine.Port
}

// newIRSession returns a session on an IR that was made of a model.
func newIRSession(python, xml string, m *model.Model) *irSession {
	return &irSession{python: python, xml: xml, inputs: m.Inputs(), outputs: m.Outputs()}
}

// interpreterOf returns the Python that a script starts with; "" for another program.
func interpreterOf(script string) string {
	f, err := os.Open(script)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, _ := bufio.NewReader(f).ReadString('\n')
	path, ok := strings.CutPrefix(strings.TrimSpace(line), "#!")
	if !ok || !strings.HasPrefix(filepath.Base(path), "python") {
		return ""
	}
	return strings.TrimSpace(path)
}

func (s *irSession) Inputs() []engine.Port  { return s.inputs }
func (s *irSession) Outputs() []engine.Port { return s.outputs }
func (s *irSession) Close() error           { return nil }

// Run is engine.Session.Run for outputs that the session allocates, by name.
func (s *irSession) Run(ctx context.Context, in, out []tensor.Tensor) error {
	dir, err := os.MkdirTemp("", "infer-ir-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	argv := []string{s.python, "-c", runIR, s.xml, dir}
	for i, t := range in {
		if err := tensor.WriteNpy(filepath.Join(dir, fmt.Sprintf("in%d.npy", i)), t); err != nil {
			return err
		}
		argv = append(argv, t.Name)
	}
	argv = append(argv, "--")
	for i := range out {
		if out[i].Name == "" {
			out[i].Name = s.outputs[i].Name
		}
		argv = append(argv, out[i].Name)
	}
	last := ""
	err = child.Lines(ctx, argv, nil, func(line string) { last = line })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fault.New(fault.Internal, "", "OpenVINO cannot run the IR: %s", strings.TrimSpace(last))
	}
	for i := range out {
		t, err := tensor.ReadNpy(filepath.Join(dir, fmt.Sprintf("out%d.npy", i)))
		if err != nil {
			return err
		}
		t.Name = out[i].Name
		out[i] = t
	}
	return nil
}
