package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/engine/ort"
	"infer/model/onnx"
	"infer/optimize"
	"infer/optimize/convert"
	"infer/optimize/exporter"
	"infer/optimize/proof"
	"infer/optimize/surgery"
	"infer/report"
)

// exportFlags are the flags of conversions from PyTorch and TensorFlow.
type exportFlags struct {
	python     string
	timeout    time.Duration
	dtypes     []string
	dynamic    []string
	signature  string
	tag        string
	rtol, atol float64
}

func (f *exportFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.python, "python", "", "`PATH` of the Python that has torch or tf2onnx (default: of VIRTUAL_ENV, else python3)")
	fs.DurationVar(&f.timeout, "python-timeout", exporter.DefaultTimeout, "longest time for all that Python does")
	fs.StringArrayVar(&f.dtypes, "dtype", nil, "element type of an input of a TorchScript program, `name=int64`; repeatable (default float32)")
	fs.StringArrayVar(&f.dynamic, "dynamic", nil, "axes of a TorchScript input that stay dynamic, `name:0=batch,2=height`; repeatable")
	fs.StringVar(&f.signature, "signature-def", "", "`NAME` of the signature of a SavedModel (default serving_default, or the only one)")
	fs.StringVar(&f.tag, "tag", "", "`TAGS` of a SavedModel's graph, with commas (default serve)")
	fs.Float64Var(&f.rtol, "rtol", 1e-4, "outputs of a model from PyTorch or TensorFlow may differ from the original's by this much of each element")
	fs.Float64Var(&f.atol, "atol", 1e-5, "and by this much besides")
}

// isForeign reports whether a path is a model of PyTorch or TensorFlow, by its content.
func isForeign(path string) bool { return exporter.Sniff(path) != "" }

// exportRun is one conversion from PyTorch or TensorFlow.
type exportRun struct {
	*convertFlags
	a       *app
	source  string
	target  convert.Target
	made    *exporter.Export
	doc     *report.Document
	details report.ConvertDetails
	bound   map[string][]onnx.Dim // sizes of the inputs at which the figures of the report hold
	runtime *ort.Runtime          // that runs what was made; nil until it is needed
	config  engine.Config         // of its sessions
}

// export makes an ONNX model of one of PyTorch or TensorFlow.
func (f *convertFlags) export(ctx context.Context, a *app, source string, target convert.Target) error {
	source = exporter.Root(source)
	r := &exportRun{convertFlags: f, a: a, source: source, target: target, details: report.ConvertDetails{To: f.to}}
	options, err := r.options()
	if err != nil {
		return err
	}
	if f.output == "" {
		f.output = onnxBeside(source)
		a.log.Info(fmt.Sprintf("output: %s", f.output))
	}
	if err := a.checkOutputs(nil, []string{source}, outputFile{"--output", f.output}); err != nil {
		return err
	}
	begin := time.Now()
	r.doc = a.newDocument("convert")
	if r.doc.Manifest.Model, err = sourceRef(source); err != nil {
		return err
	}
	if err := r.run(ctx, options); err != nil {
		return err
	}
	if err := r.conclude(time.Since(begin)); err != nil {
		return err
	}
	if err := a.emit(r.doc, ""); err != nil {
		return err
	}
	return outcome(r.doc, false)
}

// options reads the flags, and refuses what cannot be converted, before anything is started.
func (r *exportRun) options() (exporter.Options, error) {
	o := exporter.Options{
		Source: r.source, Kind: exporter.Sniff(r.source), Opset: r.target.Opset, Signature: r.python.signature, Tag: r.python.tag, Timeout: r.python.timeout,
		Log: func(line string) { r.a.log.Debug(line) }, Progress: r.a.progress(),
	}
	if err := o.Kind.Check(r.source); err != nil {
		return o, err
	}
	if r.target.Kind != convert.ONNX {
		to := onnxBeside(r.source)
		return o, fault.New(fault.Usage, fmt.Sprintf("run infer convert %s --to onnx -o %s first, then infer convert %s --to %s", r.source, to, to, r.to),
			"%q is a model of PyTorch or TensorFlow, which becomes an ONNX model first", r.source)
	}
	if err := r.python.tolerance().Validate(); err != nil {
		return o, err
	}
	if r.python.timeout <= 0 {
		return o, fault.New(fault.Usage, "leave it out for "+exporter.DefaultTimeout.String(), "--python-timeout %s is no time", r.python.timeout)
	}
	var err error
	if o.Inputs, err = r.describedInputs(o.Kind); err != nil {
		return o, err
	}
	o.Python, err = exporter.FindPython(r.python.python)
	return o, err
}

// describedInputs are the inputs of a TorchScript program as --shape, --dtype and --dynamic describe them.
func (r *exportRun) describedInputs(kind exporter.Kind) ([]exporter.Input, error) {
	if kind != exporter.TorchScript {
		if len(r.python.dtypes)+len(r.python.dynamic) > 0 {
			return nil, fault.New(fault.Usage, "leave them out", "--dtype and --dynamic describe inputs of TorchScript; %q says itself what its inputs are", r.source)
		}
		return nil, nil
	}
	want, err := r.bind.bindings()
	if err != nil {
		return nil, err
	}
	at := map[string]*exporter.Input{}
	var inputs []*exporter.Input
	for _, text := range r.bind.Shapes { // in the order of the command line
		name, shape, err := model.ParseShapeFlag(text)
		if err != nil {
			return nil, err
		}
		at[name] = &exporter.Input{Name: name, Shape: want.Shapes[name], Dynamic: map[int]string{}}
		at[name].Shape = shape
		inputs = append(inputs, at[name])
	}
	if err := addTypes(at, r.python.dtypes); err != nil {
		return nil, err
	}
	if err := addDynamic(at, r.python.dynamic); err != nil {
		return nil, err
	}
	list := make([]exporter.Input, len(inputs))
	for i, in := range inputs {
		list[i] = *in
	}
	return list, nil
}

// addTypes reads the --dtype flags.
func addTypes(inputs map[string]*exporter.Input, flags []string) error {
	for _, text := range flags {
		at := strings.LastIndexByte(text, '=')
		if at <= 0 || at == len(text)-1 {
			return fault.New(fault.Usage, "write it as name=int64", "--dtype %q is no name and type", text)
		}
		in := inputs[text[:at]]
		if in == nil {
			return fault.New(fault.Usage, "pass --shape for it too", "--dtype names input %q, which has no --shape", text[:at])
		}
		in.DType = text[at+1:]
	}
	return nil
}

// addDynamic reads the --dynamic flags.
func addDynamic(inputs map[string]*exporter.Input, flags []string) error {
	wrong := func(text string) error {
		return fault.New(fault.Usage, "write it as name:0=batch, several axes as name:0=batch,2=height", "--dynamic %q is no name and axes", text)
	}
	for _, text := range flags {
		colon := strings.LastIndexByte(text, ':')
		if colon <= 0 {
			return wrong(text)
		}
		in := inputs[text[:colon]]
		if in == nil {
			return fault.New(fault.Usage, "pass --shape for it too: an example is needed to export it", "--dynamic names input %q, which has no --shape", text[:colon])
		}
		for _, part := range strings.Split(text[colon+1:], ",") {
			number, axis, ok := strings.Cut(part, "=")
			n, err := strconv.Atoi(number)
			if !ok || err != nil || axis == "" {
				return wrong(text)
			}
			if n < 0 || n >= len(in.Shape) {
				return fault.New(fault.Usage, "axes count from 0", "--dynamic %q names axis %d of an input with %d axes", text, n, len(in.Shape))
			}
			in.Dynamic[n] = axis
		}
	}
	return nil
}

// run exports, looks at what was made, compares it with the original and puts it in its place.
func (r *exportRun) run(ctx context.Context, o exporter.Options) error {
	draft, err := model.NewDraft(r.output, nil)
	if err != nil {
		return err
	}
	defer draft.Discard()
	// Beside the output: that disk has room for the model, and a folder for temporary files may be in memory.
	if o.Dir, err = os.MkdirTemp(filepath.Dir(r.output), ".infer-*.tmp"); err != nil {
		return err
	}
	defer os.RemoveAll(o.Dir)
	r.a.log.Info(fmt.Sprintf("%s is a program: its own framework reads and runs it, by %s", r.source, o.Python))
	if r.made, err = exporter.Start(ctx, o); err != nil {
		return err
	}
	defer r.made.Close()
	if err := r.save(ctx, draft); err != nil {
		return err
	}
	written, err := model.Load(draft.Path())
	if err != nil {
		return fault.Wrap(err, "read back what was written")
	}
	defer written.Close()
	if err := r.prove(ctx, written); err != nil {
		return err
	}
	if err := r.describe(written); err != nil {
		return err
	}
	if r.details.Verification.Verdict == proof.Drifts {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.place(draft)
}

// save opens what the exporter made, brings it to the opset that was asked for where the exporter could not, and writes
// it to the draft.
func (r *exportRun) save(ctx context.Context, draft *model.Draft) error {
	m, err := model.Load(r.made.Model)
	if err != nil {
		return fault.Wrap(err, "read what %s made", r.made.Exporter)
	}
	defer m.Close()
	if want := r.target.Opset; want != 0 && want != r.made.Opset {
		changes, err := surgery.Opset(ctx, m.Proto, want)
		if err != nil {
			return fault.Wrap(err, "%s makes opset %d", r.made.Exporter, r.made.Opset)
		}
		if now := m.Proto.Opset(""); now != want {
			return fault.New(fault.Unsupported, fmt.Sprintf("leave out :opset=%d", want), "%s makes opset %d, and infer cannot bring it to %d", r.made.Exporter, now, want)
		}
		m.MarkEdited()
		r.details.Changes = changes
	}
	return m.Save(draft.Path(), model.SaveOptions{})
}

// describe fills in the figures of the written model.
func (r *exportRun) describe(written *model.Model) (err error) {
	x := &r.details
	x.Via = r.made.Exporter
	command := append([]string(nil), r.made.Command...)
	command[len(command)-1] = filepath.Base(command[len(command)-1]) // a folder that is gone
	x.Tool = &report.ToolRun{Name: "python", Version: r.made.Python, Command: command, Seconds: r.made.Took.Seconds()}
	after := optimize.Facts(written, r.bound)
	x.After = &after
	x.OutputHash, err = written.Digest()
	return err
}

// place gives the files their names.
func (r *exportRun) place(draft *model.Draft) error {
	paths, err := draft.Place()
	if err != nil {
		return err
	}
	r.details.Output = r.output
	for i, path := range paths {
		what := "external data"
		if i == len(paths)-1 {
			what = "model"
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		r.details.Files = append(r.details.Files, report.ArtifactFile{Path: path, Bytes: info.Size(), What: what})
	}
	r.details.Next = &report.NextStep{Command: "infer optimize " + r.output, Why: "exporters leave nodes behind that change nothing"}
	return nil
}

// conclude fills the document.
func (r *exportRun) conclude(elapsed time.Duration) error {
	x, d := &r.details, r.doc
	if x.Output == "" {
		x.OutputHash = ""
	}
	for _, m := range []struct {
		name  string
		value float64
	}{{"model_bytes", float64(x.After.Bytes)}, {"nodes", float64(x.After.Nodes)}, {"params", float64(x.After.Params)}, {"macs", x.After.MACs}, {"elapsed", elapsed.Seconds()}} {
		if m.value > 0 {
			d.Metrics = append(d.Metrics, report.Exact(m.name, m.value))
		}
	}
	d.Metrics = append(d.Metrics, proof.Drift(*x.Verification)...)
	switch x.Verification.Verdict {
	case proof.Drifts:
		d.Verdict = report.FailedGate
		d.Gates = append(d.Gates, report.GateResult{Expr: "outputs agree", Verdict: report.Fail, Reason: x.Verification.Why})
	case proof.NotRun:
		d.Warn("the outputs were not compared with the original's: %s", x.Verification.Why)
	}
	return d.SetDetails(*x)
}

// tolerance is how far the outputs may lie apart.
func (f *exportFlags) tolerance() agree.Tolerance { return agree.Tolerance{Rel: f.rtol, Abs: f.atol} }
