package quantize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/model"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// RecordSchema names the format of quant.json.
const RecordSchema = "infer.quantize/v1"

// Record is quant.json: everything that was decided, and the recipe that makes the same file of the same model again.
type Record struct {
	Schema    string           `json:"schema"`
	Model     string           `json:"model_sha256"`
	Output    string           `json:"output_sha256"`
	Target    string           `json:"target"`
	Include   []string         `json:"include,omitempty"`
	Exclude   []string         `json:"exclude,omitempty"`
	Portable  bool             `json:"portable,omitempty"`
	Recipe    Recipe           `json:"recipe"`
	Nodes     []NodeRecord     `json:"nodes"`
	Tensors   []TensorRecord   `json:"tensors,omitempty"`
	Constants []ConstantRecord `json:"constants,omitempty"`
	Manifest  report.Manifest  `json:"manifest"` // of the run: data, versions, host, options, command; not needed to replay
}

// NodeRecord is the decision about one node.
type NodeRecord struct {
	Node      string   `json:"node"`
	Op        string   `json:"op"`
	Form      string   `json:"form"`
	Why       string   `json:"why,omitempty"`
	Weight    string   `json:"weight,omitempty"`
	Absorbed  []string `json:"absorbed,omitempty"`
	Predicted string   `json:"predicted,omitempty"`
	Actual    string   `json:"actual,omitempty"`
}

// TensorRecord is how one activation is quantized.
type TensorRecord struct {
	Tensor    string  `json:"tensor"`
	Lo        float64 `json:"lo"`
	Hi        float64 `json:"hi"`
	Method    string  `json:"method,omitempty"`
	DType     string  `json:"dtype"`
	Scale     float32 `json:"scale"`
	ZeroPoint int32   `json:"zero_point"`
}

// ConstantRecord is how one constant is quantized.
type ConstantRecord struct {
	Node     string    `json:"node"`
	Constant string    `json:"constant"`
	DType    string    `json:"dtype"`
	Axis     int       `json:"axis"` // −1: one scale for all
	Scales   []float32 `json:"scales"`
	SQNR     float64   `json:"sqnr_db"`
	Adjusted int       `json:"adjusted,omitempty"` // channels whose scale grew for the bias
}

// writeRecord writes the record of a candidate that lies, written, at output.
func (q *quantizer) writeRecord(path, output string, c *candidate) error {
	sum, err := digest(output)
	if err != nil {
		return err
	}
	q.compareReplay(sum)
	q.details.OutputHash = sum
	source, err := q.task.Model.Digest()
	if err != nil {
		return err
	}
	r := Record{Schema: RecordSchema, Model: source, Output: sum, Target: q.task.Target.Name, Portable: q.options.Portable, Recipe: c.recipe, Nodes: []NodeRecord{}, Manifest: q.doc.Manifest}
	for _, p := range q.options.Include {
		r.Include = append(r.Include, p.Text)
	}
	for _, p := range q.options.Exclude {
		r.Exclude = append(r.Exclude, p.Text)
	}
	for _, d := range c.built.decisions {
		n := NodeRecord{Node: d.Node, Op: d.Op, Form: string(d.Form), Why: d.Why, Weight: d.Weight, Absorbed: d.Absorbed, Predicted: d.Predicted}
		if c.lint != nil {
			n.Actual = c.lint.Actual[d.Node]
		}
		r.Nodes = append(r.Nodes, n)
	}
	if e := c.built.emitted; e != nil {
		r.addTensors(e, c.recipe)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(r)
	})
}

func (r *Record) addTensors(e *emit.Emitted, recipe Recipe) {
	methods := map[string]string{}
	for _, x := range recipe.Ranges {
		methods[x.Value] = x.Method
	}
	for _, t := range e.Tensors {
		r.Tensors = append(r.Tensors, TensorRecord{
			Tensor: t.Value, Lo: t.Lo, Hi: t.Hi, Method: methods[t.Value], DType: t.DType.String(), Scale: t.Scale, ZeroPoint: t.Zero,
		})
	}
	for _, w := range e.Weights {
		r.Constants = append(r.Constants, ConstantRecord{
			Node: w.Node, Constant: w.Name, DType: w.DType.String(), Axis: w.Axis, Scales: w.Scales, SQNR: min(w.SQNR, maxDecibels), Adjusted: w.Adjusted,
		})
	}
}

// digest returns the SHA-256 of a written model, as model.Model.Digest does.
func digest(path string) (string, error) {
	m, err := model.Load(path)
	if err != nil {
		return "", err
	}
	defer m.Close()
	return m.Digest()
}

// maxRecord is the size that a record may have: scales of a large model take some megabytes.
const maxRecord = 256 << 20

// ReadRecord reads a quant.json. A file that is something else is a fault.Usage error.
func ReadRecord(path string) (*Record, error) {
	hint := "give the .quant.json that was written beside a quantized model"
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Usage, hint, "read the record: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return nil, fault.New(fault.Usage, hint, "read the record: %w", err)
	}
	if len(b) > maxRecord {
		return nil, fault.New(fault.Usage, hint, "record %q is larger than %d MiB", path, maxRecord>>20)
	}
	r, err := parseRecord(b)
	if err != nil {
		return nil, fault.New(fault.Usage, hint, "record %q: %w", path, err)
	}
	return r, nil
}

func parseRecord(b []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("it is no JSON of this kind: %w", err)
	}
	if r.Schema != RecordSchema {
		return nil, fmt.Errorf("its schema is %q, not %q", r.Schema, RecordSchema)
	}
	if b, err := hex.DecodeString(r.Model); err != nil || len(b) != sha256.Size {
		return nil, fmt.Errorf("it names no model")
	}
	return &r, nil
}

// follow takes from a record all that shapes the graph. The model must be the one that it was made of. Whether the
// result is worth writing was decided then: speed does not count.
func (q *quantizer) follow(r *Record) (err error) {
	sum, err := q.task.Model.Digest()
	if err != nil {
		return err
	}
	if sum != r.Model {
		return fault.New(fault.Usage, "give the model that the record was made with", "the record is of a model with sha256 %.12s, this one has %.12s", r.Model, sum)
	}
	for _, n := range r.Nodes {
		q.reasons[n.Node] = n.Why
	}
	o := &q.options
	o.Mode, o.Portable, o.AllowSlower, o.Budget = r.Recipe.Form, r.Portable, true, nil
	if o.Include, err = parsePatterns(r.Include); err != nil {
		return fault.Wrap(err, "the record")
	}
	if o.Exclude, err = parsePatterns(r.Exclude); err != nil {
		return fault.Wrap(err, "the record")
	}
	q.task.Target, _, err = emit.NewTarget(r.Target, "", "", nil)
	q.task.TargetWhy = "named by the record"
	q.details.Mode, q.details.Target, q.details.TargetWhy = string(r.Recipe.Form), r.Target, q.task.TargetWhy
	return fault.Wrap(err, "the record")
}

// replay makes the model of a record: no calibration, no search.
func (q *quantizer) replay(ctx context.Context, r *Record) error {
	recipe := r.Recipe
	recipe.Plain = true // means that it lacks were not used
	_, err := q.try(ctx, recipe)
	return err
}

// compareReplay notes whether what was written is what the record says.
func (q *quantizer) compareReplay(sum string) {
	r := q.task.Record
	switch {
	case r == nil:
	case sum == r.Output:
		q.replayed = "made again from its record: the same bytes"
	default:
		q.replayed = "made again from its record"
		q.doc.Warn("the file is not the one of the record, which has sha256 %.12s: it was made by another version of infer", r.Output)
	}
}
