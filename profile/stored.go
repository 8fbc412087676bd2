package profile

import (
	"fmt"
	"strings"

	"infer/model"
	"infer/model/onnx"
	"infer/report"
)

// ortFile is what a file in ONNX Runtime's own format says of itself; nil for another.
func ortFile(m *model.Model) *report.ORTFile {
	i := m.ORT()
	if i == nil {
		return nil
	}
	return &report.ORTFile{Version: i.Version, Runtimes: i.Runtimes, Providers: i.Providers, Optimizations: i.Optimizations}
}

// beside lists the files that the model has beside its own.
func beside(m *model.Model) []report.NamedBytes {
	var list []report.NamedBytes
	for _, f := range m.Files() {
		if f.Location != "" {
			list = append(list, report.NamedBytes{Name: f.Location, Bytes: f.Bytes})
		}
	}
	return list
}

// compiled lists the parts that execution providers have compiled.
func compiled(m *onnx.Model) []report.CompiledPart {
	var list []report.CompiledPart
	for _, c := range m.Contexts() {
		list = append(list, report.CompiledPart{Node: c.Node.Name, Provider: c.Source, Version: c.SDK, Hardware: c.Hardware, File: c.File})
	}
	return list
}

// ties are warnings about what a file is bound to: layouts of one kind of processor, and compiled parts.
func ties(m *model.Model) []string {
	var list []string
	laidOut, compiledBy := 0, map[string]bool{}
	m.Proto.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			if n.Domain == "com.microsoft.nchwc" {
				laidOut++
			}
		}
	})
	for _, c := range m.Proto.Contexts() {
		name := c.Source
		if name == "" {
			name = "an execution provider"
		}
		if c.SDK != "" {
			name += " (" + c.SDK + ")"
		}
		if c.Hardware != "" {
			name += " for " + c.Hardware
		}
		compiledBy[name] = true
	}
	if laidOut > 0 {
		list = append(list, fmt.Sprintf("%d nodes (com.microsoft.nchwc) are laid out for the CPU that the file was made on: another one may refuse it or run it slowly", laidOut))
	}
	if len(compiledBy) > 0 {
		list = append(list, "parts of it were compiled by "+strings.Join(sortedKeys(compiledBy), ", ")+": no other provider can run them, and another version or machine may refuse them")
	}
	if i := m.ORT(); i != nil && i.Version < 6 {
		list = append(list, fmt.Sprintf("version %d of the .ort format was written by ONNX Runtime %s: make the file again with a newer one", i.Version, i.Runtimes))
	}
	return list
}
