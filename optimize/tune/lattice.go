package tune

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// mostSettings bounds a space: all its settings are listed in memory.
const mostSettings = 1 << 17

// point is a setting: for each knob of a lattice the index of its value. The default is all zeros.
type point []int

// lattice is a Space with an order on the values of each knob.
type lattice struct {
	Space
	ascending [][]int           // knob → values in ascending order, where they have one
	rank      [][]int           // knob → value → its place in ascending
	why       map[string]string // key of a point that is not allowed → why
	allowed   []point
}

// newLattice lists the settings of a space. A space without a default, or that is too large, is a fault.Usage error.
func newLattice(s Space) (*lattice, error) {
	l := &lattice{Space: s, why: map[string]string{}}
	size, seen := 1, map[string]bool{}
	for _, k := range s.Knobs {
		if len(k.Values) == 0 || k.Name == "" || seen[k.Name] {
			return nil, fault.New(fault.Usage, "give each knob one name and the values to try, the default first", "knob %q has no values, no name, or is there twice", k.Name)
		}
		for i, v := range k.Values {
			if slices.Contains(k.Values[:i], v) {
				return nil, fault.New(fault.Usage, "give each value once", "knob %q has the value %q twice", k.Name, v)
			}
		}
		seen[k.Name] = true
		if size *= len(k.Values); size > mostSettings {
			return nil, fault.New(fault.Usage, "give fewer values", "the space has more than %d settings", mostSettings)
		}
		order := byNumber(k)
		rank := make([]int, len(order))
		for at, v := range order {
			rank[v] = at
		}
		l.ascending, l.rank = append(l.ascending, order), append(l.rank, rank)
	}
	for p := range l.points() {
		if why := l.forbidden(p); why != "" {
			l.why[l.key(p)] = why
		} else {
			l.allowed = append(l.allowed, p)
		}
	}
	if why := l.why[l.key(l.zero())]; why != "" {
		return nil, fault.New(fault.Usage, "put a default first that is allowed", "the default %s is not allowed: %s", l.key(l.zero()), why)
	}
	return l, nil
}

// byNumber returns the values of a knob by number where it is ordered and all are numbers, else as they are given.
func byNumber(k Knob) []int {
	order, at := make([]int, len(k.Values)), make([]float64, len(k.Values))
	numbers := k.Ordered
	for i, v := range k.Values {
		x, err := strconv.ParseFloat(v, 64)
		order[i], at[i], numbers = i, x, numbers && err == nil
	}
	if numbers {
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	}
	return order
}

// points yields every point, the last knob fastest.
func (l *lattice) points() func(yield func(point) bool) {
	return func(yield func(point) bool) {
		for p := l.zero(); ; {
			if !yield(slices.Clone(p)) {
				return
			}
			k := len(p) - 1
			for ; k >= 0; k-- {
				if p[k]++; p[k] < len(l.Knobs[k].Values) {
					break
				}
				p[k] = 0
			}
			if k < 0 {
				return
			}
		}
	}
}

func (l *lattice) zero() point { return make(point, len(l.Knobs)) }

// forbidden asks the space; points remember the answer in why.
func (l *lattice) forbidden(p point) string {
	if l.Allowed == nil {
		return ""
	}
	return l.Allowed(l.setting(p))
}

func (l *lattice) ok(p point) bool { _, not := l.why[l.key(p)]; return !not }

// setting returns the values of all knobs.
func (l *lattice) setting(p point) Setting {
	s := Setting{}
	for k, v := range p {
		s[l.Knobs[k].Name] = l.Knobs[k].Values[v]
	}
	return s
}

// changes returns the knobs that differ from the default.
func (l *lattice) changes(p point) map[string]string {
	s := map[string]string{}
	for k, v := range p {
		if v != 0 {
			s[l.Knobs[k].Name] = l.Knobs[k].Values[v]
		}
	}
	return s
}

// key names a point: all knobs, in their order. It does not depend on which value is the default.
func (l *lattice) key(p point) string { return l.text(p, func(int) bool { return true }) }

// settingKey is key for a setting, as a journal has it.
func (l *lattice) settingKey(s Setting) string {
	var b strings.Builder
	for i, k := range l.Knobs {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(k.Name + "=" + s[k.Name])
	}
	return b.String()
}

// name is what people call a point: the knobs that differ from the default.
func (l *lattice) name(p point) string {
	if t := l.text(p, func(k int) bool { return p[k] != 0 }); t != "" {
		return t
	}
	return "the default"
}

func (l *lattice) text(p point, with func(k int) bool) string {
	var b strings.Builder
	for k, v := range p {
		if !with(k) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(l.Knobs[k].Name + "=" + l.Knobs[k].Values[v])
	}
	return b.String()
}

// distance is how far apart two values of a knob are: places where it is ordered, else 1.
func (l *lattice) distance(k, a, b int) int {
	d := max(l.rank[k][a]-l.rank[k][b], l.rank[k][b]-l.rank[k][a])
	if !l.Knobs[k].Ordered {
		d = min(d, 1)
	}
	return d
}

// with returns p with knob k at value v. Where that is not allowed, one other knob gives way, as little as it can: more
// instances are allowed once each has fewer threads. nil: it is not allowed then either.
func (l *lattice) with(p point, k, v int) point {
	q := slices.Clone(p)
	q[k] = v
	if l.ok(q) {
		return q
	}
	var best point
	least := 0
	for j := range q {
		for w := range l.Knobs[j].Values {
			if j == k || w == q[j] {
				continue
			}
			r := slices.Clone(q)
			r[j] = w
			if d := l.distance(j, w, q[j]); l.ok(r) && (best == nil || d < least) {
				best, least = r, d
			}
		}
	}
	return best
}

// moves returns the points one step from p: the neighbours of the values of ordered knobs, all others of the rest.
func (l *lattice) moves(p point) []point {
	return l.steps(p, func(k, v int) bool { return l.distance(k, v, p[k]) == 1 })
}

// singles returns the points that screening tries: one knob changed. Of an ordered knob with many values these are the
// next ones, and then ever fewer up to the ends: what lies between is found from there.
func (l *lattice) singles() []point {
	return l.steps(l.zero(), func(k, v int) bool {
		at, d := l.rank[k][v], l.distance(k, v, 0)
		end := at == 0 || at == len(l.ascending[k])-1
		return len(l.ascending[k]) <= 4 || d&(d-1) == 0 || end
	})
}

func (l *lattice) steps(p point, wanted func(k, v int) bool) []point {
	var out []point
	for k := range p {
		for _, v := range l.ascending[k] {
			if v == p[k] || !wanted(k, v) {
				continue
			}
			q := l.with(p, k, v)
			if q != nil && !slices.ContainsFunc(out, func(o point) bool { return slices.Equal(o, q) }) {
				out = append(out, q)
			}
		}
	}
	return out
}
