package quantize

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"infer/internal/fault"
	"infer/model"
)

// RecordPath returns where the record of a quantized model lies: MODEL.quant.json beside MODEL.onnx.
func RecordPath(output string) string {
	return strings.TrimSuffix(output, filepath.Ext(output)) + ".quant.json"
}

// write saves a candidate: into a folder beside the output, where the file is read back, checked, run over the held-out
// rows and compared with what was judged; only then it gets its name.
func (q *quantizer) write(ctx context.Context, c *candidate) error {
	if q.task.Output == "" {
		return nil
	}
	draft, err := model.NewDraft(q.task.Output, q.task.Model)
	if err != nil {
		return err
	}
	defer draft.Discard()
	path := draft.Path()
	if err := q.modelOf(c.built.model).Save(path, model.SaveOptions{}); err != nil {
		return err
	}
	if err := q.verify(ctx, path, c); err != nil {
		return err
	}
	if err := q.writeRecord(RecordPath(path), path, c); err != nil {
		return err
	}
	placed, err := draft.Place()
	if err != nil {
		return err
	}
	q.details.Output, q.details.Record = q.task.Output, RecordPath(placed[len(placed)-1])
	return nil
}

// verifiedRows are the held-out rows that a written file is run over.
const verifiedRows = 256

// verify reads the file back and judges it as a stranger would: its outputs must be those that were judged.
func (q *quantizer) verify(ctx context.Context, path string, c *candidate) error {
	m, err := model.Load(path)
	if err != nil {
		return fault.Wrap(err, "read back what was written")
	}
	defer m.Close()
	if q.judge == nil {
		return m.Proto.Check() // it is too large to run as a whole
	}
	v, err := q.judge.judge(ctx, m, verifiedRows)
	if err != nil {
		return fault.Wrap(err, "run what was written")
	}
	if v.NotFinite > c.verdict.NotFinite {
		return fmt.Errorf("the written model answers differently from the judged one: %d elements are NaN or infinite", v.NotFinite)
	}
	for i, noise := range v.noise {
		if was := c.verdict.noise[i]; math.Abs(noise-was) > 1e-3*max(was, v.signal[i]*1e-9) {
			return fmt.Errorf("the written model answers differently from the judged one: run %d has a squared error of %g, it had %g", i, noise, was)
		}
	}
	return nil
}
