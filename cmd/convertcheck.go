package cmd

import (
	"context"
	"os"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/ort/library"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/artifact"
	"infer/optimize/trtexec"
	"infer/report"
)

// checkArtifact says what an artifact is, and whether it would load here. One that would not is an error behind the
// document, of exit code 1.
func (f *convertFlags) checkArtifact(ctx context.Context, a *app, args []string) error {
	if f.to != "" || f.output != "" {
		return fault.New(fault.Usage, "leave out --to and -o", "--check converts nothing")
	}
	path, err := a.modelOperand(args)
	if err != nil {
		return err
	}
	place, err := f.place(ctx, a)
	if err != nil {
		return err
	}
	c, err := artifact.Check(ctx, path, place)
	if err != nil {
		return err
	}
	if loads, _ := artifact.Loads(c); loads && place.Accepts != nil && (c.Kind == artifact.KindONNX || c.Kind == artifact.KindORT) {
		if c.Findings, err = f.tryOpening(ctx, a, path, c.Findings); err != nil {
			return err
		}
	}
	d := a.newDocument("convert")
	loads, why := artifact.Loads(c)
	gate := report.GateResult{Expr: "loads here", Verdict: report.Pass}
	if !loads {
		d.Verdict, gate.Verdict, gate.Reason = report.FailedGate, report.Fail, why.Name+": "+why.Detail
	}
	d.Gates = append(d.Gates, gate)
	for _, x := range c.Findings {
		if x.Level == "warning" {
			d.Warn("%s: %s", x.Name, x.Detail)
		}
	}
	if err := d.SetDetails(report.ConvertDetails{Check: &c}); err != nil {
		return err
	}
	if err := a.emit(d, ""); err != nil {
		return err
	}
	if !loads {
		return fault.New(fault.Unsupported, why.Fix, "%q would not load here: %s: %s", path, why.Name, why.Detail)
	}
	return nil
}

// place finds out what of this machine matters to artifacts. Nothing is installed for it.
func (f *convertFlags) place(ctx context.Context, a *app) (p artifact.Place, err error) {
	c, err := f.engine.config()
	if err != nil {
		return p, err
	}
	found, err := library.Find(ctx, a.libraryOptions(f.engine.ortLibrary))
	if err != nil {
		return p, err
	}
	p.Runtimes, p.Custom = runtimesOf(found), c.CustomOps
	if slices.ContainsFunc(found, func(l library.Library) bool { return l.Selected }) {
		p.Accepts = func(ctx context.Context, opsets []onnx.Opset, ir int64) error { return f.accepts(ctx, a, opsets, ir) }
	}
	if p.GPUs, err = host.NVIDIA(ctx); err != nil {
		p.NoGPU = strings.TrimPrefix(err.Error(), "no NVIDIA GPU: ")
	}
	p.TensorRT = artifact.FindTensorRT(os.Getenv("LD_LIBRARY_PATH"), p.Runtimes)
	if path, err := trtexec.Find(f.trt.trtexec); err == nil {
		if tool, err := trtexec.Probe(ctx, path); err == nil {
			p.TensorRT = append(p.TensorRT, artifact.TensorRT{Version: tool.Version.String(), Path: path})
		}
	}
	return p, ctx.Err()
}

// maxTried is the size up to which a model is opened to be sure: only the runtime knows every operator and type that it
// has kernels for.
const maxTried = 256 << 20

// tryOpening opens a model that has passed all other checks, unoptimized, and adds what came of it.
func (f *convertFlags) tryOpening(ctx context.Context, a *app, path string, list []report.Finding) ([]report.Finding, error) {
	m, err := loadModel(path)
	if err != nil {
		return append(list, report.Finding{Name: "session", Level: "error", Detail: err.Error(), Fix: fault.HintOf(err)}), nil
	}
	defer m.Close()
	if m.Bytes() > maxTried {
		return append(list, report.Finding{Name: "session", Level: "note", Detail: "not opened: it is large, and nothing speaks against it"}), nil
	}
	cpu := f.engine
	cpu.providers, cpu.providerOptions = []string{"cpu"}, nil
	config, err := cpu.config()
	if err != nil {
		return list, err
	}
	rt, lib, err := a.openRuntime(ctx, cpu)
	if err != nil {
		return list, err
	}
	defer rt.Close()
	provider, err := rt.Provider("cpu")
	if err != nil {
		return list, err
	}
	config.OptLevel = engine.OptNone
	s, err := provider.Open(ctx, m, config)
	if ctx.Err() != nil {
		return list, ctx.Err()
	}
	if err != nil {
		return append(list, report.Finding{Name: "session", Level: "error", Detail: err.Error(), Fix: fault.HintOf(err)}), nil
	}
	return append(list, report.Finding{Name: "session", Level: "ok", Detail: "ONNX Runtime " + lib.Version + " opens it on cpu"}), s.Close()
}

// accepts asks the runtime whether it reads files of these versions: by a model of one node that has them.
func (f *convertFlags) accepts(ctx context.Context, a *app, opsets []onnx.Opset, ir int64) error {
	cpu := f.engine
	cpu.providers, cpu.providerOptions = []string{"cpu"}, nil
	rt, _, err := a.openRuntime(ctx, cpu)
	if err != nil {
		return err
	}
	defer rt.Close()
	provider, err := rt.Provider("cpu")
	if err != nil {
		return err
	}
	known := slices.DeleteFunc(slices.Clone(opsets), func(o onnx.Opset) bool { return o.Domain != "" && o.Domain != "ai.onnx.ml" })
	if !slices.ContainsFunc(known, func(o onnx.Opset) bool { return o.Domain == "" }) {
		known = append(known, onnx.Opset{Version: 1})
	}
	float := func(name string) *onnx.ValueInfo {
		return &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Fixed(1)}}}
	}
	s, err := provider.Open(ctx, model.New(&onnx.Model{IRVersion: ir, Opsets: known, Graph: &onnx.Graph{
		Name: "versions", Nodes: []*onnx.Node{{OpType: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}}},
		Inputs: []*onnx.ValueInfo{float("x")}, Outputs: []*onnx.ValueInfo{float("y")},
	}}), engine.Config{Threads: 1})
	if err != nil {
		return rootCause(err)
	}
	return s.Close()
}

// rootCause drops what openers put in front of an error: here the model is none of the user's.
func rootCause(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok || u.Unwrap() == nil || fault.HintOf(u.Unwrap()) == "" {
			return err
		}
		err = u.Unwrap()
	}
}
