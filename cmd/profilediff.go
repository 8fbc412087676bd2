package cmd

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"

	"infer/internal/fault"
	"infer/model"
	"infer/model/tensor"
	"infer/profile"
	"infer/profile/delta"
	"infer/report"
)

// runProfileDiff compares two profiles, or two traces. Nothing is run.
func runProfileDiff(_ context.Context, a *app, args []string, f profileFlags) error {
	if err := f.checkDiff(args); err != nil {
		return err
	}
	head := args[0]
	if err := a.checkOutputs(nil, []string{f.diff, head}, f.outputs()...); err != nil {
		return err
	}
	b, err := readProfile(f.diff, f.opts)
	if err != nil {
		return err
	}
	h, err := readProfile(head, f.opts)
	if err != nil {
		return err
	}
	x := delta.Compare(b, h)
	if x.Nodes == nil {
		return fault.New(fault.Usage, "profile both with --profiled-runs above 0", "--diff: %s", x.Refused)
	}
	d := a.newDocument("profile")
	a.madeBy(d, h.Document)
	d.Manifest.Runtime, d.Manifest.Options, d.Manifest.Bindings = h.Document.Manifest.Runtime, h.Document.Manifest.Options, h.Document.Manifest.Bindings
	if x.Model, err = modelDiff(b.Document, h.Document); err != nil {
		d.Warn("the models' files were not compared: %v", err)
	}
	if sameFile(f.diff, head) {
		d.Warn("%s is on both sides: it cannot differ from itself", head)
	}
	d.AddCheck("comparable", x.Refused == "", "%s", cmp.Or(x.Refused, "measured alike"))
	d.AddCheck("undisturbed", len(x.Trouble) == 0 || x.Refused != "", "%s", troubleText(x))
	if err := d.SetDetails(report.ProfileDetails{By: "node", Top: f.opts.Top, Diff: x}); err != nil {
		return err
	}
	return f.finish(a, d, profile.Profiled{}, nil)
}

// checkDiff refuses what makes no sense with --diff.
func (f *profileFlags) checkDiff(args []string) error {
	switch {
	case len(args) == 0:
		return fault.New(fault.Usage, "infer profile --diff BASE.json HEAD.json", "--diff %q has nothing to compare with", f.diff)
	case f.fromTrace != "":
		return fault.New(fault.Usage, "infer profile --diff BASE HEAD, where each may be a trace", "--diff and --from-trace do not go together")
	case f.set != nil && f.set.Changed("by"):
		return fault.New(fault.Usage, "leave out --by", "--diff tells of nodes and of operators: --by has no use with it")
	case len(f.gates) > 0:
		return fault.New(fault.Usage, "infer compare BASE.json HEAD.json --gate …; better measure both in turns: infer compare --a MODEL --b MODEL --gate …", "--gate judges a profile, --diff explains a difference")
	case len(f.adviceGates) > 0:
		return fault.New(fault.Usage, "pass --advice-gate where the model is profiled", "--advice-gate judges a profile, --diff explains a difference")
	}
	return f.checkIdle("--diff")
}

// readProfile reads one side: a result of infer profile, or a trace.
func readProfile(path string, o profile.Options) (delta.Side, error) {
	read := func(path string) (*report.Document, error) {
		d, _, err := readResult(path)
		return d, err
	}
	if isTrace(path) {
		read = func(path string) (*report.Document, error) { return readTraced(path, o) }
	}
	d, err := read(path)
	if err != nil {
		return delta.Side{}, err
	}
	if d.Kind != "profile" {
		return delta.Side{}, fault.New(fault.Usage, "give results of infer profile, or traces", "%q is of kind %s, which has no nodes", path, d.Kind)
	}
	x, err := detailsOf[report.ProfileDetails](d)
	if err != nil {
		return delta.Side{}, fault.New(fault.Usage, "it was changed by hand, or damaged", "details of %q: %w", path, err)
	}
	if x.Diff != nil {
		return delta.Side{}, fault.New(fault.Usage, "give the profiles that it compares: "+x.Diff.Base+" and "+x.Diff.Head, "%q is a difference of two profiles", path)
	}
	return delta.Side{Path: path, Document: d, Details: &x}, nil
}

// isTrace reports whether a file is no result but may be a trace: a list of events, an object that holds one, or packed.
func isTrace(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1<<12))
	if err != nil {
		return false
	}
	b = bytes.TrimSpace(b)
	return bytes.HasPrefix(b, []byte("[")) || bytes.HasPrefix(b, []byte("\x1f\x8b")) || bytes.HasPrefix(b, []byte("{")) && !bytes.Contains(b, []byte(`"schema"`))
}

// readTraced makes a document of what a trace tells. It has no manifest: nobody knows where the trace is from.
func readTraced(path string, o profile.Options) (*report.Document, error) {
	t, err := readTrace(path, o.WarmUp)
	if err != nil {
		return nil, err
	}
	d := report.New("profile")
	return d, fault.Wrap(profile.FromTrace(t, nil, o, d), "trace %q", path)
}

// modelDiff compares the models of two results where both files are still there as they were; nil where one is not.
func modelDiff(base, head *report.Document) (*report.DiffDetails, error) {
	b, err := modelOf(base)
	if b == nil || err != nil {
		return nil, err
	}
	defer b.Close()
	h, err := modelOf(head)
	if h == nil || err != nil {
		return nil, err
	}
	defer h.Close()
	return profile.Diff(b, h, commonBindings(base.Manifest.Bindings, head.Manifest.Bindings))
}

// modelOf opens the model that a result is of; nil where its file is not there, or another one by now.
func modelOf(d *report.Document) (*model.Model, error) {
	ref := d.Manifest.Model
	if ref == nil || ref.Path == "" || ref.SHA256 == "" {
		return nil, nil
	}
	m, err := loadModel(ref.Path)
	if err != nil {
		return nil, nil // gone: the profiles alone tell what they do
	}
	sum, err := m.Digest()
	if err != nil || sum != ref.SHA256 {
		m.Close()
		return nil, err
	}
	return m, nil
}

// commonBindings are the shapes of the inputs that both sides were measured with.
func commonBindings(base, head map[string]string) model.Bindings {
	out := model.Bindings{Shapes: map[string]tensor.Shape{}}
	for name, shape := range base {
		if head[name] != shape {
			continue
		}
		if name, s, err := model.ParseShapeFlag(name + ":" + shape); err == nil {
			out.Shapes[name] = s
		}
	}
	return out
}

// troubleText says how the machine was disturbed, in short.
func troubleText(x *report.ProfileDiff) string {
	switch n := len(x.Trouble); n {
	case 0:
		return "nothing disturbed either side"
	case 1:
		return x.Trouble[0]
	default:
		return x.Trouble[0] + "; and more"
	}
}
