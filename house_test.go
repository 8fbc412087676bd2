package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// core is every room of the model core that a verb may import: all of model/… but the runtime adapter, which only
// cmd opens.
const core = "model/…"

// rooms is the table of RATIONALE.md: which package may import which. "…" stands for the whole folder, the runtime
// adapter (model/engine/ort) excepted unless it is named.
var rooms = map[string][]string{
	".":                           {"cmd", "internal/term"},
	"cmd":                         {"…", "model/engine/ort", "model/engine/ort/library"},
	"profile":                     {"profile/…", "report", core, "internal/…"},
	"profile/lineage":             {core, "internal/…"},
	"profile/roofline":            {"report", core, "internal/…"},
	"profile/advice":              {"report", core, "internal/…"},
	"profile/export":              {"report", "model/trace", "internal/…"},
	"profile/delta":               {"report", "report/compare", "internal/…"},
	"optimize":                    {"report", core, "internal/…"},
	"optimize/half":               {"optimize", "report", core, "internal/…"},
	"optimize/proof":              {"report", core, "internal/…"},
	"optimize/surgery":            {"optimize", "optimize/proof", "report", core, "internal/…"},
	"optimize/pipeline":           {"optimize", "optimize/proof", "optimize/surgery", "report", core, "internal/…"},
	"optimize/convert":            {"optimize", "optimize/artifact", "optimize/half", "optimize/proof", "optimize/quantize/calibrate", "optimize/surgery", "optimize/trtexec", "report", core, "internal/…"},
	"optimize/trtexec":            {"internal/…"},
	"optimize/trtexec/fake":       {},
	"optimize/exporter":           {"model/tensor", "internal/…"},
	"optimize/tune":               {"report", "internal/…"},
	"optimize/artifact":           {"optimize/trtexec", "report", core, "internal/…"},
	"optimize/quantize":           {"optimize", "optimize/half", "optimize/quantize/…", "report", core, "internal/…"},
	"optimize/quantize/affine":    {"model/tensor", "internal/fault"},
	"optimize/quantize/calibrate": {"optimize/quantize/affine", core, "internal/…"},
	"optimize/quantize/emit":      {"optimize", "optimize/quantize/affine", core, "internal/…"},
	"deploy":                      {"model", "configs", "internal/…"},
	"report":                      {"internal/…"},
	"report/render":               {"report", "internal/…"},
	"report/compare":              {"report", "internal/…"},
	"report/baseline":             {"report", "internal/…"},
	"report/foreign":              {"report", "internal/…"},
	"report/decide":               {"report", "internal/…"},
	"model":                       {"model/onnx", "model/ortformat", "model/tensor", "internal/fault", "internal/atomicfile"},
	"model/agree":                 {"model/engine", "model", "model/onnx", "model/tensor", "internal/…"},
	"model/ortformat":             {"model/onnx", "model/tensor", "internal/fault"},
	"model/onnx":                  {"model/tensor", "internal/fault"},
	"model/onnx/static":           {"model/onnx", "model/tensor", "internal/fault"},
	"model/tensor":                {"internal/fault", "internal/atomicfile"},
	"model/declared":              {"model/declared/…", "model", "model/onnx", "model/tensor", "internal/fault"},
	"model/declared/picture":      {"internal/fault"},
	"model/declared/token":        {"internal/fault"},
	"model/dataset":               {"model", "model/declared", "model/onnx", "model/onnx/static", "model/tensor", "internal/fault"},
	"model/engine":                {"model", "model/tensor", "internal/fault"},
	"model/engine/ort":            {"model/engine", "model/engine/ort/library", "model", "model/onnx", "model/tensor", "internal/host", "internal/fault"},
	"model/engine/ort/library":    {"internal/host", "internal/fault", "internal/progress"},
	"model/engine/enginetest":     {"model/engine", "model/engine/ort", "model/engine/ort/library", "model", "model/onnx", "model/tensor", "internal/fault"},
	"model/measure":               {"model/engine", "model/tensor", "internal/…"},
	"model/trace":                 {"internal/fault"},
	"model/predict":               {"model/dataset", "model/declared", "model/engine", "model", "model/tensor", "internal/…"},
	"serve":                       {"serve/…", "internal/wire", core, "internal/…"},
	"serve/batch":                 {"internal/stats"},
	"serve/repository":            {"serve/batch", "internal/wire", core, "internal/…"},
	"serve/rest":                  {"serve/repository", "serve/batch", "serve/guard", "serve/page", "serve/observe", "internal/wire", core, "internal/…"},
	"serve/rpc":                   {"serve/repository", "serve/batch", "serve/guard", "internal/pb", "internal/pb/tfs", "internal/wire", core, "internal/…"},
	"internal/pb":                 {},
	"internal/pb/tfs":             {},
	"serve/observe":               {"serve/repository", "serve/batch", core, "internal/…"},
	"serve/guard":                 {"internal/fault"},
	"serve/page":                  {"serve/repository", "serve/observe", "internal/wire", core, "internal/…"},
	"loadtest":                    {"loadtest/…", "report", "internal/wire", core, "internal/…"},
	"loadtest/sample":             {"report", "internal/…"},
	"loadtest/schedule":           {"internal/fault"},
	"loadtest/search":             {"internal/…"},
	"loadtest/drive":              {"loadtest/sample", "loadtest/schedule", "model/tensor", "internal/…"},
	"loadtest/http1":              {"loadtest/drive", "loadtest/sample", "loadtest/schedule", "internal/…"},
	"loadtest/rpc":                {"loadtest/drive", "loadtest/sample", "model/tensor", "internal/…"},
	"loadtest/local":              {"loadtest/drive", "loadtest/sample", core, "internal/…"},
	"loadtest/null":               {"internal/…"},
	"loadtest/payload":            {"loadtest/drive", core, "internal/…"},
	"loadtest/server":             {"internal/…"},
	"internal/wire":               {"model/tensor", "internal/fault"},
	"internal/stats":              {},
	"internal/host":               {"internal/fault"},
	"internal/term":               {"internal/progress"},
	"internal/fault":              {},
	"internal/progress":           {},
	"internal/atomicfile":         {},
	"internal/child":              {"internal/fault"},
	"internal/chromium":           {},
	"testdata/arch":               {"model/onnx", "model/tensor"},
	"testdata/odd/gen":            {"model/onnx", "model/tensor", "model"},
	"configs":                     {},
	"scripts/bench":               {"model", "model/onnx", "testdata/arch", "internal/host"},
	"scripts/comparebench":        {"report", "report/compare", "internal/stats", "internal/host"},
	"scripts/archmodels":          {"model", "model/onnx", "testdata/arch"},
	"scripts/encoder":             {"model", "testdata/arch"},
	"scripts/coverage":            {"internal/stats", "internal/host"},
	"scripts/profilebench":        {"report", "internal/stats"},
	"scripts/loadbench":           {"internal/stats", "internal/host"},
	"scripts/servebench":          {"model", "model/onnx", "model/tensor", "testdata/arch", "internal/wire", "internal/stats"},
}

// homes names, for each third-party library, the only rooms that may import it.
var homes = map[string][]string{
	"github.com/spf13/cobra":            {"cmd"},
	"github.com/spf13/pflag":            {"cmd"},
	"github.com/spf13/viper":            {"cmd"},
	"github.com/charmbracelet/lipgloss": {"internal/term"},
	"github.com/muesli/termenv":         {"internal/term"},
	"github.com/schollz/progressbar/v3": {"internal/term"},
	"golang.org/x/term":                 {"internal/term"},
	"golang.org/x/sys":                  {"internal/host", "model/engine/ort/library", "model/engine/ort", "model/measure", "serve/rest", "loadtest/http1", "loadtest/drive", "loadtest/null"},
	"gonum.org/v1/gonum":                {"internal/stats"},
	"google.golang.org/protobuf":        {"model/onnx", "internal/wire", "serve/rpc", "internal/pb", "internal/pb/tfs", "loadtest/rpc", "loadtest/null", "loadtest/server"},
	"google.golang.org/grpc":            {"scripts/servebench", "serve/rpc", "internal/pb", "internal/pb/tfs", "loadtest/rpc", "loadtest/null", "loadtest/server"},
	"google.golang.org/genproto":        {"serve/rpc"},
	"github.com/valyala/fasthttp":       {"scripts/servebench", "serve/rest"},
	"github.com/prometheus":             {"serve/observe", "loadtest/server"},
	"go.opentelemetry.io":               {"serve/observe"},
	"github.com/google/pprof":           {"profile/export"},
	"golang.org/x/image":                {"model/declared/picture"},
	"golang.org/x/text":                 {"model/declared/token"},
	"go.yaml.in/yaml/v3":                {"model/declared"},
	"github.com/yalue/onnxruntime_go":   {"model/engine/ort"},
	"C":                                 {"model/engine/ort"},
}

// TestHouse walks the import graph of every non-test file and fails on an edge outside the table, on a third-party
// library outside its home, and on a package that the table does not know.
func TestHouse(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		room := path.Dir(filepath.ToSlash(file))
		seen[room] = true
		for _, imp := range importsOf(t, file) {
			if fault := judge(room, imp); fault != "" {
				t.Errorf("%s: %s", file, fault)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range seen {
		if _, ok := rooms[room]; !ok {
			t.Errorf("package %s is in no row of the table: add it here and in RATIONALE.md", room)
		}
	}
}

// TestHouseRefuses makes sure that the rules can fail.
func TestHouseRefuses(t *testing.T) {
	for _, c := range []struct{ room, imp string }{
		{"profile", "infer/model/engine/ort"},
		{"profile", "infer/cmd"},
		{"report", "infer/model"},
		{"model/onnx", "infer/model"},
		{"model", "github.com/spf13/cobra"},
		{"model/measure", "gonum.org/v1/gonum/stat"},
		{"internal/stats", "infer/internal/host"},
		{"profile", "example.org/unknown"},
	} {
		if judge(c.room, c.imp) == "" {
			t.Errorf("%s may import %s, which the table forbids", c.room, c.imp)
		}
	}
}

func importsOf(t *testing.T, file string) []string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, i := range f.Imports {
		list = append(list, strings.Trim(i.Path.Value, `"`))
	}
	return list
}

// judge returns what is wrong with room importing imp, "" where nothing is.
func judge(room, imp string) string {
	if inner, ours := strings.CutPrefix(imp, "infer/"); ours {
		for _, allowed := range rooms[room] {
			if allowed == inner || matches(allowed, inner) {
				return ""
			}
		}
		return room + " may not import " + inner
	}
	if imp != "C" && !strings.Contains(strings.Split(imp, "/")[0], ".") {
		return "" // the standard library
	}
	for lib, home := range homes {
		if imp == lib || strings.HasPrefix(imp, lib+"/") {
			if slices.Contains(home, room) {
				return ""
			}
			return imp + " is at home in " + strings.Join(home, ", ") + ", not in " + room
		}
	}
	return imp + " has no home in the table"
}

func matches(pattern, inner string) bool {
	folder, whole := strings.CutSuffix(pattern, "…")
	return whole && strings.HasPrefix(inner+"/", folder) && !strings.HasPrefix(inner, "model/engine/ort")
}
