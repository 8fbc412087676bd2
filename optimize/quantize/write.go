package quantize

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
)

// RecordPath returns where the record of a quantized model lies: MODEL.quant.json beside MODEL.onnx.
func RecordPath(output string) string {
	return strings.TrimSuffix(output, filepath.Ext(output)) + ".quant.json"
}

// write saves a candidate: into a folder beside the output, where the file is read back, checked, run over the held-out
// rows and compared with what was judged; only then it gets its name.
func (q *quantizer) write(ctx context.Context, c *candidate) (err error) {
	if q.task.Output == "" {
		return nil
	}
	target := q.task.Output
	if real, err := filepath.EvalSymlinks(target); err == nil {
		target = real
	}
	dir, err := os.MkdirTemp(filepath.Dir(target), ".infer-quantize-*")
	if err != nil {
		return fault.New(fault.Usage, "choose a folder that this user may write to", "write %q: %w", q.task.Output, err)
	}
	defer os.RemoveAll(dir)
	m := q.modelOf(c.built.model)
	path := filepath.Join(dir, filepath.Base(target))
	if err := m.Save(path, model.SaveOptions{}); err != nil {
		return err
	}
	if err := q.verify(ctx, path, c); err != nil {
		return err
	}
	record := filepath.Join(dir, "record")
	if err := q.writeRecord(record, path, c); err != nil {
		return err
	}
	_, err = os.Stat(path + ".data")
	stale := os.IsNotExist(err) && keepsData(target)
	moves := [][2]string{{path + ".data", target + ".data"}, {path, target}, {record, RecordPath(target)}}
	for _, mv := range moves {
		if err := os.Rename(mv[0], mv[1]); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("write %q: %w", q.task.Output, err)
		}
	}
	if stale {
		_ = os.Remove(target + ".data") // of the model that was replaced: nothing reads it any more
	}
	q.details.Output, q.details.Record = q.task.Output, RecordPath(target)
	return nil
}

// keepsData reports whether the model at path, if there is one, has its weights in the file beside it.
func keepsData(path string) bool {
	m, closer, err := onnx.OpenFile(path)
	if err != nil {
		return false
	}
	defer closer.Close()
	return slices.Contains(m.ExternalFiles(), filepath.Base(path)+".data")
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
