package repository

import (
	"context"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

// TestLoopIsCutShort: a request that makes a loop go round for minutes ends with its deadline, and the instance is free
// for the next one.
func TestLoopIsCutShort(t *testing.T) {
	r := serve(t, Options{Provider: enginetest.CPU(t), Model: ModelOptions{Instances: 1}}, save(t, enginetest.Endless(), t.TempDir(), "endless.onnx"))
	h, err := r.Acquire("endless", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	rounds := func(n int64, deadline time.Time) error {
		c := NewCall()
		defer c.Free()
		c.Deadline = deadline
		c.Inputs = []tensor.Tensor{
			{Name: "n", DType: tensor.Int64, Shape: tensor.Shape{}, Data: binary.LittleEndian.AppendUint64(nil, uint64(n))},
			{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(1))},
		}
		return h.Infer(context.Background(), c)
	}
	if err := rounds(1<<50, time.Now().Add(300*time.Millisecond)); fault.KindOf(err) != fault.Deadline {
		t.Errorf("an endless loop: %v", err)
	}
	if err := rounds(3, time.Now().Add(time.Minute)); err != nil {
		t.Errorf("after it: %v", err)
	}
}
