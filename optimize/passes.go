package optimize

import (
	"slices"
	"strings"

	"infer/internal/fault"
)

// Level says from where on a pass runs. Each level has the passes of those before it.
type Level string

// The levels.
const (
	None Level = "none" // no pass but those that are asked for by name
	Safe Level = "safe" // exact up to rounding, and portable: operators that ONNX has at the model's own opset
	Full Level = "full" // also operators of ONNX Runtime alone, of the domain com.microsoft, and shapes that suit it

	Named Level = "named" // of a pass only: it never runs unless it is asked for by name
)

// All returns every pass there is with its level, in the order in which they run.
func All() []Pass {
	rows := []struct {
		level Level
		pass  Pass
	}{
		{Safe, nameNodes()},
		{Safe, dropInitializerInputs()},
		{Safe, eliminateIdentity()},
		{Safe, inlineBranches()},
		{Safe, foldConstants()},
		{Safe, foldTargets()},
		{Safe, moveShapes()},
		{Safe, eliminateCommon()},
		{Safe, replaceEinsum()},
		{Safe, mergeCasts()},
		{Safe, mergeConcats()},
		{Safe, mergeSlices()},
		{Safe, splitSlices()},
		{Safe, mergeTransposes()},
		{Safe, mergeViews()},
		{Safe, mergeReductions()},
		{Safe, fuseChains()},
		{Safe, foldPad()},
		{Safe, foldScale()},
		{Safe, foldBatchNorm()},
		{Safe, foldAhead()},
		{Safe, fuseGemm()},
		{Safe, foldGemm()},
		{Safe, fuseReluClip()},
		{Safe, fuseActivation()},
		{Safe, fuseLayerNorm()},
		{Safe, fuseRMSNorm()},
		{Safe, foldFactor()},
		{Safe, eliminateNeutral()},
		{Full, FuseAttention()},
		{Full, SumBeforeNorm()},
		{Named, SpaceToDepthStem()},
		{Full, FlattenRows()},
		{Full, FuseQKV()},
		{Full, FuseGelu()},
		{Named, GemmToMatMul()},
		{Safe, shareInitializers()},
		{Safe, eliminateDead()},
	}
	list := make([]Pass, len(rows))
	for i, r := range rows {
		list[i] = r.pass
		list[i].Level = r.level
	}
	return list
}

// Passes returns the passes of level Safe, in order.
func Passes() []Pass {
	return slices.DeleteFunc(All(), func(p Pass) bool { return p.Level != Safe })
}

// Select returns the passes of a level, with those more that changes name as "+name" and without those of "-name"; the
// last word about a pass counts. Each keeps its place in All. A level or name that does not exist is a fault.Usage.
func Select(level Level, changes []string) ([]Pass, error) {
	if level != None && level != Safe && level != Full {
		return nil, fault.New(fault.Usage, "levels are none, safe and full", "unknown level %q", level)
	}
	all := All()
	on := map[string]bool{}
	var known []string
	for _, p := range all {
		known = append(known, p.Name)
		on[p.Name] = p.Level == level || p.Level == Safe && level == Full
	}
	for _, c := range changes {
		name := strings.TrimLeft(c, "+-")
		if len(c) != len(name)+1 {
			return nil, fault.New(fault.Usage, "write +NAME to add a pass and -NAME to leave one out", "%q does not begin with one + or -", c)
		}
		if !slices.Contains(known, name) {
			hint := "--list-passes names them all"
			if near := fault.Nearest(name, known); near != "" {
				hint = "did you mean " + c[:1] + near + "?"
			}
			return nil, fault.New(fault.Usage, hint, "unknown pass %q", name)
		}
		on[name] = c[0] == '+'
	}
	return slices.DeleteFunc(all, func(p Pass) bool { return !on[p.Name] }), nil
}

// Prepare returns what a quantizer needs before it calibrates, in order: the opset that it wants, Passes but those that
// make what integer kernels and its own patterns do not know, and names again for what they made.
func Prepare() []Pass {
	var list []Pass
	for _, p := range All() {
		switch p.Name {
		case "fold-ahead", "fuse-gemm", "fuse-activation", "fuse-rms-norm", "fold-factor":
		case "drop-initializer-inputs":
			list = append(list, p, upgradeOpset())
		default:
			if p.Level == Safe {
				list = append(list, p)
			}
		}
	}
	return append(list, nameNodes())
}
