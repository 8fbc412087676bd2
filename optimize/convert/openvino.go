package convert

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/tensor"
	"infer/model/trace"
	"infer/report"
)

// toOpenVINO makes an IR where that is asked for, else what ONNX Runtime's OpenVINO provider compiles.
func (c *conversion) toOpenVINO(ctx context.Context) error {
	if c.Via == ViaOVC || c.Via == "" && ending(c.Output) == ".xml" {
		c.details.Via = ViaOVC
		return c.toIR(ctx)
	}
	c.details.Via = ViaProvider
	if c.Compiler == nil {
		return fault.New(fault.Unsupported, "run `infer runtime install --flavor openvino`", "there is no OpenVINO provider")
	}
	c.output.provider, c.output.config = c.Compiler, c.Compiled
	why, err := c.compile(ctx)
	if err != nil || why == "" {
		return err
	}
	// A compiled model that nobody can load is of no use: the provider compiles the ONNX file when it loads that.
	if err := c.emptyDraft(); err != nil {
		return err
	}
	c.note("the ONNX file as it is, for the provider to compile whenever it is loaded: " + why)
	c.doc.Warn("nothing is compiled ahead: %s", why)
	return c.Model.Save(c.draft.Path(), model.SaveOptions{})
}

// compile lets the provider write an ONNX file with the compiled model inside. why says why that is of no use.
func (c *conversion) compile(ctx context.Context) (why string, err error) {
	config := c.Compiled
	config.Entries = map[string]string{"ep.context_enable": "1", "ep.context_file_path": c.draft.Path(), "ep.context_embed_mode": "1"}
	if c.isLarge() {
		config.Entries["ep.context_embed_mode"] = "0"
	}
	maps.Copy(config.Entries, c.Compiled.Entries)
	s, err := c.Compiler.Open(ctx, c.Model, config)
	if err != nil {
		return "", fault.Wrap(err, "compile")
	}
	if w, ok := s.(engine.Warner); ok {
		for _, text := range w.Warnings() {
			c.doc.Warn("%s", text)
		}
	}
	if err := s.Close(); err != nil {
		return "", err
	}
	if _, err := os.Stat(c.draft.Path()); err != nil {
		return "this library did not write what it compiled", nil
	}
	m, err := model.Load(c.draft.Path())
	if err != nil {
		return "", fault.Wrap(err, "read back what was compiled")
	}
	defer m.Close()
	s, err = c.Compiler.Open(ctx, m, c.Compiled)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "this library writes a compiled model that it cannot load again: its builds for CPUs may come without OpenVINO's IR reader", nil
	}
	contexts, others := 0, 0
	for _, n := range m.Proto.Graph.Nodes {
		if n.OpType == "EPContext" {
			contexts++
		} else {
			others++
		}
	}
	c.note(fmt.Sprintf("%d compiled parts of the graph, and %d nodes beside them", contexts, others))
	return "", s.Close()
}

// emptyDraft removes what was written so far.
func (c *conversion) emptyDraft() error {
	entries, err := os.ReadDir(filepath.Dir(c.draft.Path()))
	for _, e := range entries {
		if err == nil {
			err = os.RemoveAll(c.draft.Beside(e.Name()))
		}
	}
	return err
}

// placement tells by a traced run which provider runs how many kernels of what was written.
func (c *conversion) placement(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "infer-trace-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	config := c.output.config
	config.TracePrefix = filepath.Join(dir, "trace")
	s, err := c.output.provider.Open(ctx, c.written, config)
	if err != nil {
		return fault.Wrap(err, "trace a run")
	}
	in, err := agree.Suit(c.Inputs[0], s.Inputs())
	if err == nil {
		err = s.Run(ctx, in, make([]tensor.Tensor, len(s.Outputs())))
	}
	if e := s.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fault.Wrap(err, "trace a run")
	}
	t, ok := s.(engine.Tracer)
	if !ok {
		return nil
	}
	runs, err := trace.ReadFile(t.TracePath(), 0)
	if err != nil || len(runs.Nodes) == 0 {
		return err
	}
	count := map[string]int{}
	for _, n := range runs.Nodes {
		count[n.Provider]++
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(count)), func(name string) bool { return strings.HasPrefix(name, "OpenVINO") }) {
		return fault.New(fault.Unsupported, "run it on the CPU provider as it is", "OpenVINO runs no node of this model")
	}
	for _, name := range slices.Sorted(maps.Keys(count)) {
		c.details.Placement = append(c.details.Placement, report.PlacedNodes{Provider: name, Nodes: count[name]})
	}
	return nil
}
