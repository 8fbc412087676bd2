package convert

import (
	"fmt"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/trtexec"
)

// Profiles checks the profiles that are given for an engine against the inputs of the model: each must have the three
// shapes of every input with dynamic axes, and of no other. Where none is given, the sizes that the user bound by
// hand make one, whose three shapes are the same; sizes that nobody has said are no ground for an engine. Errors are of
// kind fault.Usage.
func Profiles(inputs []model.Port, given []trtexec.Profile, bound model.Bound) ([]trtexec.Profile, error) {
	var dynamic []model.Port
	for _, p := range inputs {
		if p.Type.Kind == onnx.KindTensor && slices.ContainsFunc(p.Type.Dims, func(d onnx.Dim) bool { return !d.Known }) {
			dynamic = append(dynamic, p)
		}
	}
	switch {
	case len(dynamic) == 0 && len(given) > 0:
		return nil, fault.New(fault.Usage, "leave out --profile", "no input of the model has dynamic axes")
	case len(dynamic) == 0:
		return nil, nil
	case len(given) == 0:
		return fixedProfile(dynamic, bound)
	}
	out := make([]trtexec.Profile, 0, len(given))
	for _, g := range given {
		p, err := settle(g, inputs, dynamic)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// example writes what could be given for inputs.
func example(dynamic []model.Port) string {
	parts := make([]string, len(dynamic))
	for i, p := range dynamic {
		var shapes [3][]string
		for _, d := range p.Type.Dims {
			for k, size := range []string{"1", "8", "32"} {
				if d.Known {
					size = fmt.Sprint(d.Size)
				}
				shapes[k] = append(shapes[k], size)
			}
		}
		parts[i] = p.Name + ":" + strings.Join(shapes[0], "x") + "/" + strings.Join(shapes[1], "x") + "/" + strings.Join(shapes[2], "x")
	}
	return "give the smallest shape, the one to tune for and the largest: --profile '" + strings.Join(parts, ",") + "'"
}

// fixedProfile makes a profile of sizes that were given by --shape, --dim or a data set.
func fixedProfile(dynamic []model.Port, bound model.Bound) ([]trtexec.Profile, error) {
	var missing []string
	var p trtexec.Profile
	for _, d := range dynamic {
		s, ok := bound.Shapes[d.Name]
		assumed := slices.ContainsFunc(bound.Axes, func(a model.Axis) bool { return a.Input == d.Name && a.Reason == model.ByDefault })
		if !ok || assumed {
			missing = append(missing, fmt.Sprintf("%q", d.Name))
			continue
		}
		p = append(p, trtexec.Range{Input: d.Name, Min: s, Opt: s, Max: s})
	}
	if len(missing) > 0 {
		return nil, fault.New(fault.Usage, example(dynamic), "an engine is built for ranges of shapes, and none is given for the dynamic axes of %s", strings.Join(missing, ", "))
	}
	return []trtexec.Profile{p}, nil
}

// settle checks one profile and puts its inputs in the order of the model.
func settle(given trtexec.Profile, inputs, dynamic []model.Port) (trtexec.Profile, error) {
	names := make([]string, len(inputs))
	for i, p := range inputs {
		names[i] = p.Name
	}
	for _, r := range given {
		i := slices.Index(names, r.Input)
		if i < 0 {
			hint := "its inputs are " + strings.Join(names, ", ")
			if near := fault.Nearest(r.Input, names); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			return nil, fault.New(fault.Usage, hint, "--profile: the model has no input %q", r.Input)
		}
		if err := suits(r, inputs[i]); err != nil {
			return nil, fault.New(fault.Usage, example(dynamic), "--profile: %w", err)
		}
	}
	var p trtexec.Profile
	var missing []string
	for _, d := range dynamic {
		i := slices.IndexFunc(given, func(r trtexec.Range) bool { return r.Input == d.Name })
		if i < 0 {
			missing = append(missing, fmt.Sprintf("%q", d.Name))
			continue
		}
		p = append(p, given[i])
	}
	if len(missing) > 0 {
		return nil, fault.New(fault.Usage, example(dynamic), "--profile must name every input with dynamic axes; missing: %s", strings.Join(missing, ", "))
	}
	return p, nil
}

// suits reports shapes that an input does not allow.
func suits(r trtexec.Range, p model.Port) error {
	dims := p.Type.Dims
	if len(r.Opt) != len(dims) {
		return fmt.Errorf("input %q has %d axes, not %d", r.Input, len(dims), len(r.Opt))
	}
	for i, d := range dims {
		for _, w := range []trtexec.Which{trtexec.Min, trtexec.Opt, trtexec.Max} {
			if d.Known && r.Of(w)[i] != d.Size {
				return fmt.Errorf("axis %d of input %q is fixed at %d, not %d", i, r.Input, d.Size, r.Of(w)[i])
			}
		}
	}
	return nil
}

// Tuned returns the shapes that the first profile is tuned for, by input.
func Tuned(profiles []trtexec.Profile) map[string]tensor.Shape {
	shapes := map[string]tensor.Shape{}
	if len(profiles) > 0 {
		for _, r := range profiles[0] {
			shapes[r.Input] = r.Opt
		}
	}
	return shapes
}
