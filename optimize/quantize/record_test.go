package quantize

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

// TestReplay: the record makes the same bytes, and the same record, without rows and whatever the other options say.
func TestReplay(t *testing.T) {
	exclude, err := ParsePattern("conv2")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		mode   Mode
		change func(*Task, *Options)
		recipe func(Recipe) bool // what the record must hold for the case to test anything
	}{
		{"static", Static, func(*Task, *Options) {}, func(r Recipe) bool { return len(r.Ranges) > 0 && len(r.Means) > 0 }},
		{"static per tensor", Static, func(_ *Task, o *Options) { o.PerChannel = false }, func(r Recipe) bool { return !r.PerChannel }},
		{"another target", Static, func(k *Task, _ *Options) { k.Target.Name, k.Target.Weight.Reduced = "cpu:vnni", false }, func(Recipe) bool { return true }},
		{"mixed", Static, func(_ *Task, o *Options) { o.Budget = &Budget{Kind: "sqnr", Limit: 41} }, func(r Recipe) bool { return len(r.Float) > 0 }},
		{"excluded", Static, func(_ *Task, o *Options) { o.Exclude = []Pattern{exclude} }, func(r Recipe) bool { return len(r.Float) == 0 }},
		{"included", Dynamic, func(_ *Task, o *Options) { o.Include = []Pattern{{Text: "op:Gemm", op: "Gemm"}} }, func(Recipe) bool { return true }},
		{"dynamic", Dynamic, func(*Task, *Options) {}, func(r Recipe) bool { return len(r.Means) > 0 }},
		{"dynamic without rows", Dynamic, func(k *Task, _ *Options) { k.Calib = nil }, func(r Recipe) bool { return len(r.Means) == 0 }},
		{"weight-only", WeightOnly, func(*Task, *Options) {}, func(r Recipe) bool { return r.Bits == 8 && r.Refine }},
		{"portable", WeightOnly, func(_ *Task, o *Options) { o.Bits, o.Block, o.Portable = 4, 16, true }, func(r Recipe) bool { return r.Portable && r.Block == 16 }},
		{"for another runtime", WeightOnly, func(k *Task, o *Options) {
			k.Target.Name, k.Target.Contrib, o.Bits = "openvino", false, 4
		}, func(r Recipe) bool { return r.Portable }},
		{"stored", Auto, nil, func(r Recipe) bool { return r.Form == formStored }},
		{"float", Auto, nil, func(r Recipe) bool { return r.Form == formFloat }},
		{"fp16", FP16, func(*Task, *Options) {}, func(r Recipe) bool { return r.Form == FP16 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, o := digits(t), quick(c.mode)
			var r outcome
			if c.change == nil { // it would have to win a race
				r = writeOne(t, k, Recipe{Name: c.name, Form: Mode(c.name)})
			} else {
				c.change(&k, &o)
				r = mustQuantize(t, k, o)
			}
			record, err := ReadRecord(r.Record)
			if err != nil {
				t.Fatalf("%v; reason %q", err, r.Reason)
			}
			if !c.recipe(record.Recipe) {
				t.Fatalf("the recipe is %+v", record.Recipe)
			}
			checkReplay(t, k, r, record)
		})
	}
}

// checkReplay follows a record with and without rows, against what its options say, and compares the files.
func checkReplay(t *testing.T, k Task, r outcome, record *Record) {
	t.Helper()
	for _, rows := range []string{"no rows", "with rows"} {
		again := digits(t)
		again.Record = record
		if rows == "no rows" {
			again.Calib, again.Data, again.Labels = nil, nil, nil
		}
		o := quick(Auto)
		o.AllowSlower = false
		got := mustQuantize(t, again, o)
		if got.Output == "" {
			t.Fatalf("%s: nothing was written: %s", rows, got.Reason)
		}
		if !bytes.Equal(read(t, k.Output), read(t, again.Output)) {
			t.Errorf("%s: the model differs", rows)
		}
		if a, b := read(t, r.Record), read(t, got.Record); !bytes.Equal(a, b) {
			t.Errorf("%s: the record differs at %q", rows, firstDifference(a, b))
		}
		if got.Reason != "made again from its record: the same bytes" || got.Verdict != report.OK {
			t.Errorf("%s: verdict %s, reason %q, warnings %q", rows, got.Verdict, got.Reason, got.Warnings)
		}
		if len(got.Candidates) != 1 || got.Calibration != nil {
			t.Errorf("%s: %d candidates, calibration %+v", rows, len(got.Candidates), got.Calibration)
		}
	}
}

// firstDifference returns the first line of b that a has not in its place.
func firstDifference(a, b []byte) string {
	is := strings.Split(string(a), "\n")
	for i, line := range strings.Split(string(b), "\n") {
		if i >= len(is) || is[i] != line {
			return line
		}
	}
	return ""
}

// writeOne writes the model of one recipe, by a record that was not there before.
func writeOne(t *testing.T, k Task, recipe Recipe) outcome {
	t.Helper()
	sum, err := k.Model.Digest()
	if err != nil {
		t.Fatal(err)
	}
	k.Record = &Record{Schema: RecordSchema, Model: sum, Target: k.Target.Name, Recipe: recipe}
	r := mustQuantize(t, k, quick(Auto))
	if r.Output == "" {
		t.Fatalf("nothing was written: %s", r.Reason)
	}
	if !strings.Contains(strings.Join(r.Warnings, "\n"), "is not the one of the record") {
		t.Errorf("a record of another output is followed without a warning: %q", r.Warnings)
	}
	return r
}

// TestReplayOfAnother: a record is of one model.
func TestReplayOfAnother(t *testing.T) {
	k := digits(t)
	k.Record = &Record{Schema: RecordSchema, Model: strings.Repeat("ab", 32), Target: "cpu:avx2", Recipe: Recipe{Form: formStored}}
	_, err := quantize(t, t.Context(), k, quick(Auto))
	wantUsage(t, err, "give the model that the record was made with", "the record is of a model with sha256 abababababab, this one has ")
	sum, err := k.Model.Digest()
	if err != nil {
		t.Fatal(err)
	}
	k.Record = &Record{Schema: RecordSchema, Model: sum, Target: "abacus", Recipe: Recipe{Form: formStored}}
	_, err = quantize(t, t.Context(), k, quick(Auto))
	wantUsage(t, err, "", `the record: target "abacus" is not known`)
	k.Record.Target, k.Record.Exclude = "cpu:avx2", []string{"("}
	_, err = quantize(t, t.Context(), k, quick(Auto))
	wantUsage(t, err, "", `the record: pattern "("`)
	k.Record.Exclude, k.Record.Recipe = nil, Recipe{Name: "odd", Form: "ternary"}
	_, err = quantize(t, t.Context(), k, quick(Auto))
	wantUsage(t, err, "", `recipe of form "ternary"`)
}

func TestReadRecord(t *testing.T) {
	dir := t.TempDir()
	model := strings.Repeat("0f", 32)
	for _, c := range []struct {
		name, text string
		want       string // in the error; "" for none
	}{
		{"a record", `{"schema":"infer.quantize/v1","model_sha256":"` + model + `","recipe":{"name":"dynamic","form":"dynamic"},"nodes":[]}`, ""},
		{"empty", ``, "it is no JSON of this kind"},
		{"an array", `[]`, "it is no JSON of this kind"},
		{"a report", `{"schema":"infer.report/v1"}`, `its schema is "infer.report/v1", not "infer.quantize/v1"`},
		{"no schema", `{}`, `its schema is "", not`},
		{"no model", `{"schema":"infer.quantize/v1"}`, "it names no model"},
		{"half a digest", `{"schema":"infer.quantize/v1","model_sha256":"0f0f"}`, "it names no model"},
		{"no digest", `{"schema":"infer.quantize/v1","model_sha256":"` + strings.Repeat("zz", 32) + `"}`, "it names no model"},
		{"a range of text", `{"schema":"infer.quantize/v1","recipe":{"ranges":[{"lo":"a"}]}}`, "it is no JSON of this kind"},
		{"cut off", `{"schema":"infer.quantize/v1","model_sha256":"`, "it is no JSON of this kind"},
		{"more behind it", `{"schema":"infer.quantize/v1","model_sha256":"` + model + `"} {}`, "it is no JSON of this kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, "r.json")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := ReadRecord(path)
			if c.want != "" {
				wantUsage(t, err, ".quant.json", `record "`+path+`": `+c.want)
				return
			}
			if err != nil || r.Recipe.Form != Dynamic {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	_, err := ReadRecord(filepath.Join(dir, "none.json"))
	wantUsage(t, err, ".quant.json", "read the record: ", "no such file")
	_, err = ReadRecord(dir)
	wantUsage(t, err, ".quant.json", "read the record: ")
}

// FuzzParseRecord: what parses is a record of this schema that writes and reads back as itself, and whatever its recipe
// says, following it is an error or a valid model.
func FuzzParseRecord(f *testing.F) {
	head := `{"schema":"infer.quantize/v1","model_sha256":"` + strings.Repeat("0f", 32) + `"`
	for _, s := range []string{
		head + `}`, head + `,"recipe":{"form":"static","ranges":[{"value":"x","lo":-1,"hi":1e308}]}}`,
		head + `,"recipe":{"form":"weight-only","bits":3,"block":-1}}`,
		head + `,"recipe":{"form":"dynamic","means":[{"value":"x","axis":9,"mean":[1,2]}],"smooth":[{"norm":"n","scales":[0]}]}}`,
		head + `,"recipe":{"form":"fp16","passes":["fuse-qkv","none"],"float":["",""]}}`, `null`, `{"schema":1}`,
	} {
		f.Add([]byte(s))
	}
	small := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "batch", 4)), enginetest.Values(enginetest.Value("y", tensor.Float32, "batch", 2)),
		[]*onnx.Node{enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("y"))},
		enginetest.Initializer(enginetest.Floats("w", tensor.Shape{4, 2}, 1, -2, 3, -4, 5, -6, 7, -8))).Proto
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseRecord(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if twice, err := json.Marshal(again); err != nil || !bytes.Equal(text, twice) {
			t.Errorf("%s became %s, %v", text, twice, err)
		}
		q := &quantizer{prepared: small.Clone(), bases: map[string]*onnx.Model{}, task: Task{Model: model.New(small)}}
		q.task.Target.Weight.DType, q.task.Target.Activation.DType, q.task.Target.Contrib = tensor.Int8, tensor.Uint8, true
		if made, err := q.build(t.Context(), r.Recipe); err == nil {
			if err := made.model.Check(); err != nil {
				t.Errorf("recipe %+v: %v", r.Recipe, err)
			}
		}
	})
}
