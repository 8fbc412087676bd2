package artifact

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/ortformat"
)

// onnxFile looks at an ONNX file.
func (c *checker) onnxFile() error {
	c.out.Kind = KindONNX
	m, closer, err := onnx.OpenFile(c.path)
	switch {
	case err == nil:
	case fault.KindOf(err) == fault.Internal: // it began as one
		c.fail("file", err)
		return nil
	default:
		return fault.New(fault.Usage, firstOf(fault.HintOf(err), usageHint), "%q is no artifact that infer knows: %w", c.path, err)
	}
	defer closer.Close()
	if len(m.Contexts()) > 0 {
		c.out.Kind = KindContext
	}
	c.graph(m)
	return nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// graph looks at an ONNX graph, from a file of either format.
func (c *checker) graph(m *onnx.Model) {
	if m.Producer != "" {
		c.fact("producer", "%s", strings.TrimSpace(m.Producer+" "+m.ProducerVersion))
	}
	if err := m.Check(); err != nil {
		c.fail("structure", err)
		return
	}
	c.versions(m)
	c.operators(m)
	c.external(m)
	for i, x := range m.Contexts() {
		c.context(i, x)
	}
}

// versions asks the runtime whether it reads files of these versions.
func (c *checker) versions(m *onnx.Model) {
	var list []string
	for _, o := range m.Opsets {
		list = append(list, fmt.Sprintf("%s %d", domainName(o.Domain), o.Version))
	}
	c.fact("ir_version", "%d", m.IRVersion)
	c.fact("opsets", "%s", strings.Join(list, ", "))
	if c.place.Accepts == nil {
		c.find(levelWarning, "opset", "infer runtime install", "no ONNX Runtime is installed here that could be asked whether it reads opset %d", m.Opset(""))
		return
	}
	if err := c.place.Accepts(c.ctx, m.Opsets, m.IRVersion); err != nil {
		c.fail("opset", err)
		return
	}
	c.find(levelOK, "opset", "", "the ONNX Runtime here reads opset %d and IR version %d", m.Opset(""), m.IRVersion)
}

func domainName(d string) string { return firstOf(d, "ai.onnx") }

// builtIn are the domains whose operators ONNX Runtime brings itself.
var builtIn = []string{"", "ai.onnx.ml", "ai.onnx.preview", "com.microsoft", "com.microsoft.nchwc", "com.microsoft.experimental",
	"com.ms.internal.nhwc", "org.pytorch.aten", "ai.onnx.preview.training"}

// operators looks for those of other domains, which need a library of custom operators unless the model defines them.
func (c *checker) operators(m *onnx.Model) {
	defined := map[string]bool{}
	for _, f := range m.Functions {
		defined[f.Domain+"\x00"+f.Name] = true
	}
	custom := map[string]int{}
	m.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			if !slices.Contains(builtIn, n.Domain) && !defined[n.Domain+"\x00"+n.OpType] {
				custom[n.Domain+"."+n.OpType]++
			}
		}
	})
	names := slices.Sorted(maps.Keys(custom))
	switch {
	case len(names) == 0:
		c.find(levelOK, "operators", "", "all operators are of domains that ONNX Runtime knows, or of functions in the file")
	case len(c.place.Custom) > 0:
		c.find(levelWarning, "operators", "", "%s must come from %s", strings.Join(names, ", "), strings.Join(c.place.Custom, ", "))
	default:
		c.find(levelError, "operators", "give the library that has them: --custom-ops LIB", "custom operators: %s", strings.Join(names, ", "))
	}
}

// external looks for the files that tensors have their bytes in.
func (c *checker) external(m *onnx.Model) {
	names := m.ExternalFiles()
	if len(names) == 0 {
		return
	}
	dir := filepath.Dir(c.path)
	closer, err := onnx.ResolveExternal(m, dir, realDir(c.path))
	if err != nil {
		c.find(levelError, "external_data", firstOf(fault.HintOf(err), "copy the files with the weights beside the model"), "%v", err)
		return
	}
	_ = closer.Close()
	var list []string
	for _, n := range names {
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(n))); err == nil {
			list = append(list, fmt.Sprintf("%s (%s)", n, size(info.Size())))
		}
	}
	c.find(levelOK, "external_data", "", "%s: there, and large enough", strings.Join(list, ", "))
}

// realDir is the folder in which the file really lies, where path leads to it through links.
func realDir(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Dir(path)
}

// ortFile looks at a file of ONNX Runtime's own format.
func (c *checker) ortFile() error {
	c.out.Kind = KindORT
	f, err := onnx.MapFile(c.path)
	if err != nil {
		return err
	}
	defer f.Close()
	m, info, err := ortformat.Decode(f.Bytes, f.Release)
	if err != nil {
		c.fail("format", err)
		return nil
	}
	c.fact("format_version", "%d", info.Version)
	c.fact("written_by", "ONNX Runtime %s", info.Runtimes)
	if info.Version < 5 {
		c.find(levelWarning, "format", "make it again from the .onnx model", "version %d of the format is read in part only by the releases that infer uses", info.Version)
	} else {
		c.find(levelOK, "format", "", "version %d of the format is read by every release that infer uses", info.Version)
	}
	for _, name := range info.Providers {
		short := shortName(name)
		if _, ok := c.provider(short); !ok && short != "cpu" {
			c.find(levelError, "provider", installFix(short), "nodes were given to %s when it was made, which no ONNX Runtime here has", name)
		}
	}
	if info.Fused > 0 {
		c.find(levelError, "compiled_nodes", "make it again from the .onnx model for the cpu provider", "%d nodes stand for what a provider compiled, and the file does not hold that", info.Fused)
	}
	c.graph(m)
	return nil
}
