package surgery

import (
	"context"
	"fmt"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/optimize"
)

// Opset brings m to a version of ai.onnx, up or down, in place, and returns what it did, one line each; none where m
// has that version. Going down, the IR version follows to what came with the opset, 4 at least (3 would make every
// initializer an input) and as far as the model allows, so that programs of that time read the file.
// Errors, which leave m as it was: fault.Usage for a version that infer does not write, fault.Unsupported with the node,
// the operator and the version that stand in the way.
func Opset(ctx context.Context, m *onnx.Model, version int64) ([]string, error) {
	if err := noGraph(m); err != nil {
		return nil, err
	}
	if version < optimize.MinOpset || version > optimize.MaxOpset {
		return nil, fault.New(fault.Usage, fmt.Sprintf("use %d to %d", optimize.MinOpset, optimize.MaxOpset), "opset %d is not one that infer brings models to", version)
	}
	was := m.Opset("")
	switch {
	case was == 0:
		return nil, fault.New(fault.Unsupported, "", "the model imports no version of ai.onnx")
	case was == version:
		return nil, nil
	}
	c := m.Clone()
	lines := []string{fmt.Sprintf("opset %d, was %d", version, was)}
	var done []string
	var err error
	if was < version {
		done, err = raise(ctx, c, version)
	} else {
		done, err = lower(ctx, c, version)
	}
	if err != nil {
		return nil, err
	}
	*m = *c
	return append(lines, done...), nil
}

func raise(ctx context.Context, m *onnx.Model, version int64) ([]string, error) {
	was := m.IRVersion
	changed, err := optimize.Upgrade(ctx, m, version)
	if err != nil {
		return nil, err
	}
	var lines []string
	if nodes := changed - 1; nodes > 0 { // the import is one
		lines = append(lines, count(nodes, "operator")+" rewritten")
	}
	if m.IRVersion != was {
		lines = append(lines, fmt.Sprintf("IR version %d, was %d", m.IRVersion, was))
	}
	if was < 4 && m.IRVersion >= 4 {
		lines = append(lines, unlistInitializers(m)...)
	}
	return lines, nil
}

func lower(ctx context.Context, m *onnx.Model, version int64) ([]string, error) {
	lines, err := optimize.Downgrade(ctx, m, version)
	if err != nil {
		return nil, err
	}
	ir := max(optimize.IRVersion(version), LowestIR(m), 4)
	if ir >= m.IRVersion {
		return lines, nil
	}
	more, err := SetIR(m, ir)
	return append(lines, more...), err
}
