package delta

import (
	"fmt"
	"slices"
	"strings"

	"infer/report"
	"infer/report/compare"
)

// conditions fills in what differs beside the models, and what of it may be why the times do.
func conditions(x *report.ProfileDiff, base, head Side) {
	var unlike []string
	for _, d := range differs(base, head) {
		x.Machine = append(x.Machine, d)
		unlike = append(unlike, fmt.Sprintf("%s is %s in base and %s in head", d.What, d.Base, d.Head))
	}
	x.Refused = strings.Join(unlike, "; ")
	x.Trouble = unlike
	if b, h := missed(base.Document), missed(head.Document); b != h {
		x.Machine = append(x.Machine, report.DiffRow{What: "checks not passed", Base: b, Head: h})
	}
	x.Machine = append(x.Machine, around(base.Details, head.Details)...)
	x.Trouble = append(x.Trouble, disturbed("base", base)...)
	x.Trouble = append(x.Trouble, disturbed("head", head)...)
	if b, h := base.Details.Correction != nil, head.Details.Correction != nil; b != h {
		x.Trouble = append(x.Trouble, "only one side is corrected for what tracing costs: its nodes look shorter")
	}
}

// differs returns in what the two were not measured alike: kind, machine, inputs, runtime, provider, settings.
func differs(base, head Side) []report.DiffRow {
	var out []report.DiffRow
	for _, d := range compare.Differs(base.Document, head.Document, nil) {
		out = append(out, report.DiffRow{What: d.What, Base: d.Base, Head: d.Head})
	}
	b, h := settings(base.Details.Options), settings(head.Details.Options)
	for _, k := range report.SortedKeys(b) {
		told := slices.ContainsFunc(out, func(r report.DiffRow) bool {
			return strings.ReplaceAll(r.What, "-", "_") == strings.ReplaceAll(k, "-", "_")
		})
		if v, ok := h[k]; ok && v != b[k] && !told {
			out = append(out, report.DiffRow{What: k, Base: b[k], Head: v})
		}
	}
	return out
}

// settings are the options of a session by name; nil where the profile does not tell them.
func settings(o *report.RunOptions) map[string]string {
	if o == nil {
		return nil
	}
	out := map[string]string{"option threads": fmt.Sprint(o.Threads), "option inter-threads": fmt.Sprint(o.InterThreads)}
	for k, v := range o.Entries {
		out["session config "+k] = v
	}
	return out
}

// missed names the checks of the measuring conditions that a document did not pass.
func missed(d *report.Document) string {
	var names []string
	for _, c := range d.Validity.Checks {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// around returns what else was measured beside the runs and differs: memory and what disturbed.
func around(base, head *report.ProfileDetails) []report.DiffRow {
	var out []report.DiffRow
	add := func(what string, b, h int64) {
		if b != h && b > 0 && h > 0 {
			out = append(out, report.DiffRow{What: what, Base: report.FormatValue(report.Bytes, float64(b)), Head: report.FormatValue(report.Bytes, float64(h))})
		}
	}
	if b, h := base.Memory, head.Memory; b != nil && h != nil {
		add("memory of initializers", b.Initializers, h.Initializers)
		add("memory of activations, at least", b.ActivationLowerBound, h.ActivationLowerBound)
		add("memory of the process at its peak", b.PeakRSS, h.PeakRSS)
		if p, q := b.Allocator, h.Allocator; p != nil && q != nil {
			add("memory of the allocator at its peak", p.PeakInUse, q.PeakInUse)
		}
	}
	for _, m := range base.Interference {
		i := slices.IndexFunc(head.Interference, func(o report.Measurement) bool { return o.Name == m.Name && o.Unit == m.Unit })
		if i < 0 || m.Name == "wall" || m.Name == "self_cpu" || head.Interference[i].Value == m.Value {
			continue
		}
		out = append(out, report.DiffRow{What: m.Name, Base: measured(m), Head: measured(head.Interference[i])})
	}
	return out
}

func measured(m report.Measurement) string {
	x := report.Metric{Name: m.Name, Unit: m.Unit, Value: &m.Value}
	v, _ := x.Text()
	return v
}

// disturbed says why the times of a side cannot be believed.
func disturbed(name string, s Side) []string {
	var out []string
	for _, c := range s.Document.Validity.Checks {
		if !c.OK {
			out = append(out, strings.TrimSuffix(name+": "+c.Name+": "+c.Detail, ": "))
		}
	}
	if s.Document.Verdict == report.Interrupted {
		out = append(out, name+" was interrupted")
	}
	if c := s.Details.Correction; c != nil && c.SharesOnly {
		out = append(out, name+": tracing slowed the run so much that times of nodes are not to be quoted")
	}
	if t := s.Details.Trace; t != nil && (t.Capped || t.Cut) {
		out = append(out, name+": its trace is not complete")
	}
	return out
}
