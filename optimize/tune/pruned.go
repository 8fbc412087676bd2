package tune

import (
	"fmt"

	"infer/report"
)

// mostPruned bounds the list of what was pruned; the rest is counted.
const mostPruned = 40

// pair is two values, each of a knob; a value alone is the pair with itself.
type pair struct{ knob, value, other, otherValue int }

// pruned says shortly what is not allowed: the values that no setting may have, the pairs of values that none may have
// together, and how many more settings.
func (l *lattice) pruned() []report.TunePruned {
	if len(l.why) == 0 {
		return nil
	}
	alive := map[pair]bool{}
	for _, p := range l.allowed {
		for _, x := range pairs(p) {
			alive[x] = true
		}
	}
	var out []report.TunePruned
	listed, rest, example := map[pair]bool{}, 0, ""
	for p := range l.points() {
		why := l.why[l.key(p)]
		if why == "" {
			continue
		}
		blame, found := pair{}, false
		for _, x := range pairs(p) {
			if !alive[x] {
				blame, found = x, true
				break
			}
		}
		if found && !listed[blame] && len(out) < mostPruned {
			listed[blame] = true
			out = append(out, report.TunePruned{Setting: l.pairText(blame), Why: why})
		} else if !listed[blame] {
			rest, example = rest+1, l.key(p)+": "+why
		}
	}
	if rest > 0 {
		out = append(out, report.TunePruned{Setting: fmt.Sprintf("%d more settings", rest), Why: "such as " + example})
	}
	return out
}

// pairs returns the values of a point, and then the pairs of them.
func pairs(p point) []pair {
	var alone, both []pair
	for i := range p {
		alone = append(alone, pair{i, p[i], i, p[i]})
		for j := i + 1; j < len(p); j++ {
			both = append(both, pair{i, p[i], j, p[j]})
		}
	}
	return append(alone, both...)
}

func (l *lattice) pairText(x pair) string {
	text := func(knob, value int) string { return l.Knobs[knob].Name + "=" + l.Knobs[knob].Values[value] }
	if x.knob == x.other {
		return text(x.knob, x.value)
	}
	return text(x.knob, x.value) + " " + text(x.other, x.otherValue)
}
