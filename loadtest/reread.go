package loadtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"infer/internal/fault"
	"infer/loadtest/sample"
	"infer/report"
)

// hintDamaged is the hint of a document that no load can have made.
const hintDamaged = "it was changed by hand, or damaged"

// Details reads the details of a load test's document.
func Details(d *report.Document) (*report.LoadDetails, error) {
	if d.Kind != "loadtest" {
		return nil, fault.New(fault.Usage, "give documents of infer loadtest", "a document of kind %q is no load test", d.Kind)
	}
	var x report.LoadDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		return nil, fault.New(fault.Usage, "", "details of a load test: %w", err)
	}
	return &x, nil
}

// Reread returns the document of a file of samples: the one that the load made, its figures folded anew from the samples.
// SLOs and gates, where there are any, replace those of the load.
func Reread(path string, slos, gates []report.Gate) (*report.Document, error) {
	f, err := sample.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := f.Header()
	var d report.Document
	if err := json.Unmarshal(h.Document, &d); err != nil {
		return nil, fault.New(fault.Usage, "", "samples %q: the report inside: %w", path, err)
	}
	if err := d.Validate(); err != nil {
		return nil, fault.New(fault.Usage, hintDamaged, "samples %q: the report inside: %w", path, err)
	}
	x, err := Details(&d)
	if err != nil {
		return nil, fault.Wrap(err, "samples %q", path)
	}
	if !possible(h.Fold) {
		return nil, fault.New(fault.Usage, hintDamaged, "samples %q: no load has a window from %v to %v, ended at %v", path, h.Fold.From, h.Fold.To, h.Fold.Ended)
	}
	fold := sample.NewFold(h.Fold)
	chunk := make([]sample.Sample, 4096)
	for {
		n, err := f.Next(chunk)
		fold.Add(chunk[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fault.Wrap(err, "samples %q", path)
		}
	}
	x.Figures = fold.Figures()
	return &d, Rejudge(&d, x, slos, gates)
}

// possible reports whether a load can have the window of o, which is then parted into few slices.
func possible(o sample.FoldOptions) bool {
	const longest = 2 * MaxDuration // with the warm-up before it
	return 0 <= o.From && o.From <= o.To && 0 < o.To && o.To <= longest && 0 <= o.Planned && o.Planned <= longest &&
		(o.Ended == 0 || o.From <= o.Ended && o.Ended <= longest)
}

// Rejudge derives the metrics of d anew from the figures of x, which become its details, and judges SLOs and gates in
// place of those that d had, where there are any. What was measured beside the requests (validity, the server) stays.
func Rejudge(d *report.Document, x *report.LoadDetails, slos, gates []report.Gate) error {
	if x.Figures == nil {
		return fault.New(fault.Usage, "give a document of one load", "a search or a sweep has no figures to judge anew")
	}
	if err := validFigures(x); err != nil {
		return err
	}
	kept := d.Metrics
	d.Metrics, d.Warnings = nil, slices.Clone(d.Warnings)
	derive(d, x)
	for _, m := range kept { // what no figures give, such as max_rps
		if d.Metric(m.Name, m.Labels) == nil {
			d.Add(m)
		}
	}
	if len(slos)+len(gates) == 0 {
		return d.SetDetails(x)
	}
	if d.Verdict != report.Interrupted {
		d.Verdict = report.OK
	}
	d.Gates = nil
	return judge(d, x, slos, gates)
}

// Merge returns one document of the shards of one schedule: its figures are exactly those of the whole load.
func Merge(docs []*report.Document, slos, gates []report.Gate) (*report.Document, error) {
	first, err := Details(docs[0])
	if err != nil {
		return nil, err
	}
	if err := validFigures(first); err != nil {
		return nil, err
	}
	seen := map[string]bool{first.Schedule.Shard: true}
	whole := *docs[0]
	whole.Metrics, whole.Gates, whole.Warnings = nil, nil, nil
	whole.Validity.Checks = nil
	if len(slos)+len(gates) == 0 {
		if slos, gates, err = judgedBy(docs[0], first); err != nil {
			return nil, err
		}
	}
	x := *first
	keepWarnings(&whole, docs[0], first.Figures)
	addChecks(&whole, docs[0], first.Schedule.Shard)
	for _, d := range docs[1:] {
		y, err := Details(d)
		if err != nil {
			return nil, err
		}
		if err := validFigures(y); err != nil {
			return nil, err
		}
		if err := sameLoad(first, y, seen); err != nil {
			return nil, err
		}
		if x.Figures, err = sample.Merge(x.Figures, y.Figures); err != nil {
			return nil, err
		}
		x.Schedule.Planned += y.Schedule.Planned
		x.Faults = mergeFaults(x.Faults, y.Faults)
		x.Correctness = mergeCorrectness(x.Correctness, y.Correctness)
		keepWarnings(&whole, d, y.Figures)
		addChecks(&whole, d, y.Schedule.Shard)
		if d.Verdict == report.Interrupted {
			whole.Verdict = report.Interrupted
		}
	}
	x.Schedule.Merged, x.Schedule.Shard = len(docs), ""
	x.Generator, x.Floor, x.Server = report.LoadGenerator{Pacer: fmt.Sprintf("%d shards", len(docs))}, nil, serverOf(x.Figures, nil)
	if of := shards(first.Schedule.Shard); of != len(docs) {
		whole.Warn("%d of %d shards are here: rates are those of what is here", len(docs), of)
	}
	return &whole, remerged(&whole, &x, slos, gates)
}

// judgedBy returns the objectives and gates by which a load was judged when it was made.
func judgedBy(d *report.Document, x *report.LoadDetails) (slos, gates []report.Gate, err error) {
	known := map[string]bool{correctExpr: true}
	for _, s := range x.SLO {
		g, err := report.ParseSLO(s.Expr)
		if err != nil {
			return nil, nil, err
		}
		slos, known[s.Expr] = append(slos, g), true
	}
	var rest []string
	for _, g := range d.Gates {
		if !known[g.Expr] {
			rest = append(rest, g.Expr)
		}
	}
	gates, err = report.ParseGates("loadtest", rest)
	return slos, gates, err
}

func remerged(d *report.Document, x *report.LoadDetails, slos, gates []report.Gate) error {
	if d.Verdict != report.Interrupted {
		d.Verdict = report.OK
	}
	derive(d, x)
	return judge(d, x, slos, gates)
}

// shards is N of "I/N", 0 of what is no shard.
func shards(shard string) (of int) {
	var i int
	if _, err := fmt.Sscanf(shard, "%d/%d", &i, &of); err != nil || i < 0 || i >= of || shard != fmt.Sprintf("%d/%d", i, of) {
		return 0
	}
	return of
}

// mostCounted is below what all counts of a document must be together: sums of those of many documents do not overflow,
// and are exact as floats.
const mostCounted = 1 << 53

// validFigures refuses details that no load can have made: counts below 0 or beyond all bounds, which sums over shards
// would hide, and a shard that is none.
func validFigures(x *report.LoadDetails) error {
	if s := x.Schedule.Shard; s != "" && shards(s) == 0 {
		return fault.New(fault.Usage, hintDamaged, "details of a load test: %q is no shard", s)
	}
	left := int64(mostCounted)
	for what, list := range counts(x) {
		for _, n := range list {
			if n < 0 || n >= left {
				return fault.New(fault.Usage, hintDamaged, "details of a load test: %s of %d: no load counts that", what, n)
			}
			left -= n
		}
	}
	return nil
}

// counts goes through what details count, by the names of the document.
func counts(x *report.LoadDetails) iter.Seq2[string, []int64] {
	return func(yield func(string, []int64) bool) {
		ok := yield("planned", []int64{x.Schedule.Planned})
		for i := 0; ok && i < len(x.Faults); i++ {
			ok = yield("faults", []int64{x.Faults[i].Count})
		}
		if c := x.Correctness; ok && c != nil {
			ok = yield("correctness", []int64{c.Checked, c.Wrong, c.Unchecked})
		}
		f := x.Figures
		if !ok || f == nil {
			return
		}
		ok = yield("figures", []int64{f.Good, f.Checked, f.Bytes, f.Queue.N, f.Compute.N, f.Batch.N})
		for i := 0; ok && i < len(f.Sections); i++ {
			s := &f.Sections[i]
			ok = yield("sections", []int64{s.Due, s.Sent, s.Answered, s.Good}) && yield("outcomes", slices.Collect(maps.Values(s.Outcomes)))
		}
		for i := 0; ok && i < len(f.Timeline); i++ {
			ok = yield("timeline", []int64{f.Timeline[i].Due, f.Timeline[i].Answered, f.Timeline[i].Failed})
		}
	}
}

// sameLoad refuses what is no other shard of the same load.
func sameLoad(a, b *report.LoadDetails, seen map[string]bool) error {
	const hint = "run every shard with the same options and its own --shard I/N"
	switch {
	case a.Figures == nil || b.Figures == nil:
		return fault.New(fault.Usage, hint, "a search or a sweep cannot be merged")
	case a.Schedule.Shard == "" || b.Schedule.Shard == "":
		return fault.New(fault.Usage, hint, "these are whole loads, not shards of one")
	case a.Schedule.SHA256 != b.Schedule.SHA256 || shards(a.Schedule.Shard) != shards(b.Schedule.Shard):
		return fault.New(fault.Usage, hint, "these are shards of different schedules (%.12s and %.12s)", a.Schedule.SHA256, b.Schedule.SHA256)
	case seen[b.Schedule.Shard]:
		return fault.New(fault.Usage, "give each shard once", "shard %s is here twice", b.Schedule.Shard)
	}
	seen[b.Schedule.Shard] = true
	return nil
}

func addChecks(whole, d *report.Document, shard string) {
	for _, c := range d.Validity.Checks {
		whole.AddCheck(c.Name+"@"+shard, c.OK, "%s", c.Detail)
	}
}

func mergeFaults(a, b []report.LoadFault) []report.LoadFault {
	out := slices.Clone(a)
	for _, f := range b {
		same := func(g report.LoadFault) bool { return g.Outcome == f.Outcome && g.Code == f.Code && g.Text == f.Text }
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i].Count += f.Count
		} else {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(x, y report.LoadFault) int { return int(y.Count - x.Count) })
	return out
}

func mergeCorrectness(a, b *report.LoadCorrectness) *report.LoadCorrectness {
	if a == nil || b == nil {
		return nil
	}
	c := *a
	c.Checked, c.Wrong, c.Unchecked = a.Checked+b.Checked, a.Wrong+b.Wrong, a.Unchecked+b.Unchecked
	c.First = append(slices.Clone(a.First), b.First...)
	return &c
}
