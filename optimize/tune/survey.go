package tune

import "infer/report"

// Survey says what a search of space would be about, without opening anything: the knobs, what is pruned and why, and
// how many settings are left. It fails as Search would.
func Survey(space Space) (*report.TuneDetails, error) {
	l, err := newLattice(space)
	if err != nil {
		return nil, err
	}
	out := &report.TuneDetails{Candidates: len(l.allowed), Pruned: l.pruned(), Trials: []report.TuneTrial{}, Chosen: l.setting(l.zero())}
	for _, k := range l.Knobs {
		out.Space = append(out.Space, report.TuneKnob{Name: k.Name, Values: k.Values})
	}
	return out, nil
}
