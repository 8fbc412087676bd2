package cmd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/model/engine"
	"infer/optimize/tune"
	"infer/report"
)

// The knobs that infer knows. Others are session-config entries and provider options, by their own names.
const (
	knobThreads   = "threads"
	knobInter     = "inter-threads"
	knobInstances = "instances"
	knobBatch     = "batch"
	knobSpinning  = "spinning"
	knobBlocks    = "dynamic_block_base"
	knobVariant   = "variant"
)

// knobEntries are the session-config entries behind knobs that have a short name. Left at its default such an entry is
// not set at all, so that the default setting is the session that every other command opens.
var knobEntries = map[string]string{
	knobSpinning: "session.intra_op.allow_spinning",
	knobBlocks:   "session.dynamic_block_base",
}

// baseVariant is the name of the model that was named, among its variants.
const baseVariant = "base"

// minWidth is the parallelism of a graph from which its branches are worth threads of their own: below it the second
// one would mostly wait.
const minWidth = 1.5

// spaceFacts are what the space of a search follows from.
type spaceFacts struct {
	machine   host.Machine
	free      uint64                 // bytes of memory that are free; 0: unknown
	bytes     int64                  // of the model, which every session of more than one thread has a copy of
	width     float64                // of the graph: its work over that of its longest path; 0: unknown
	objective string                 //
	config    engine.Config          // of the flags; its Threads are the default
	threads   bool                   // --threads was given
	rows      int64                  // a run as bound
	fixedRows string                 // why rows cannot be chosen; "" where they can
	rowsError func(rows int64) error // why a run cannot have so many rows; nil where it can
	batches   []int64                // --batch
	variants  []string               // names of those that take part
	knobs     []string               // --knob
}

// tuneSpace is what is searched.
type tuneSpace struct {
	facts  spaceFacts
	knobs  []tune.Knob
	pruned []report.TunePruned
}

func newSpace(x spaceFacts) (*tuneSpace, error) {
	s := &tuneSpace{facts: x}
	asked, err := s.parseKnobs()
	if err != nil {
		return nil, err
	}
	s.addThreads(asked)
	s.addInstances(asked)
	if err := s.addBatch(asked); err != nil {
		return nil, err
	}
	s.addEntries(asked)
	s.addInter(asked)
	if len(x.variants) > 0 {
		s.add(knobVariant, append([]string{baseVariant}, x.variants...), false)
	}
	for _, k := range asked {
		v, given := x.config.Entries[k.Name]
		_, short := knobEntries[k.Name] // one that is not there was left out
		switch {
		case short || s.has(k.Name):
		case given:
			s.prune(k.Name, "--session-config sets %s=%s", k.Name, v)
		default:
			s.add(k.Name, k.Values, false)
		}
	}
	if why := s.allowed(s.full(nil)); why != "" {
		return nil, fault.New(fault.Usage, "let the first value of each knob be one that this machine can run", "the default setting of the search makes no sense: %s", why)
	}
	return s, nil
}

func (s *tuneSpace) add(name string, values []string, ordered bool) {
	s.knobs = append(s.knobs, tune.Knob{Name: name, Values: values, Ordered: ordered})
}

func (s *tuneSpace) has(name string) bool {
	return slices.ContainsFunc(s.knobs, func(k tune.Knob) bool { return k.Name == name })
}

// prune records a value, or a whole knob, that is left out.
func (s *tuneSpace) prune(setting, format string, args ...any) {
	s.pruned = append(s.pruned, report.TunePruned{Setting: setting, Why: fmt.Sprintf(format, args...)})
}

// parseKnobs reads --knob.
func (s *tuneSpace) parseKnobs() ([]tune.Knob, error) {
	var list []tune.Knob
	for _, text := range s.facts.knobs {
		k, err := s.parseKnob(text)
		if err != nil {
			return nil, fault.Wrap(err, "--knob %q", text)
		}
		if slices.ContainsFunc(list, func(o tune.Knob) bool { return o.Name == k.Name }) {
			return nil, fault.New(fault.Usage, "give all its values at once, A|B|C", "--knob %q: %s is there twice", text, k.Name)
		}
		list = append(list, k)
	}
	return list, nil
}

func (s *tuneSpace) parseKnob(text string) (k tune.Knob, err error) {
	name, values, ok := strings.Cut(text, "=")
	if !ok || name == "" || values == "" {
		return k, fault.New(fault.Usage, "write it as NAME=A|B|C, such as threads=1|2", "it has no NAME=VALUES")
	}
	for short, entry := range knobEntries {
		if name == entry {
			name = short
		}
	}
	k = tune.Knob{Name: name, Values: strings.Split(values, "|")}
	for i, v := range k.Values {
		if v == "" || slices.Contains(k.Values[:i], v) {
			return k, fault.New(fault.Usage, "give each value once, A|B|C", "%q is empty or there twice", v)
		}
	}
	switch name {
	case knobThreads, knobInter, knobInstances, knobBatch:
		k.Ordered = true
		for _, v := range k.Values {
			if n, err := strconv.ParseInt(v, 10, 32); err != nil || n < 1 || name != knobBatch && int(n) > maxThreads() {
				return k, fault.New(fault.Usage, "give whole numbers from 1 on", "%q is no value of %s", v, name)
			}
		}
	case knobSpinning, knobBlocks:
	case knobVariant:
		return k, fault.New(fault.Usage, "pass --variant NAME=FILE", "variants are files")
	default:
		if !strings.Contains(name, ".") {
			known := []string{knobThreads, knobInter, knobInstances, knobBatch, knobSpinning, knobBlocks}
			hint := "use one of " + strings.Join(known, ", ") + ", or the full name of a session-config entry, such as session.force_spinning_stop"
			if near := fault.Nearest(name, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			return k, fault.New(fault.Usage, hint, "there is no knob %q", name)
		}
	}
	return k, nil
}

// values returns the values of a knob: those asked for, the default in front where it is among them, else its own.
func valuesOf(asked []tune.Knob, name, def string, own []string) []string {
	values := own
	for _, k := range asked {
		if k.Name == name {
			values = k.Values
		}
	}
	if i := slices.Index(values, def); i > 0 {
		values = append([]string{def}, slices.Delete(slices.Clone(values), i, i+1)...)
	}
	return values
}

// addThreads adds 1, 2, 4 … up to the CPUs that may really be used.
func (s *tuneSpace) addThreads(asked []tune.Knob) {
	x, m := s.facts, s.facts.machine
	def := strconv.Itoa(x.config.Threads)
	own := []string{def}
	switch {
	case x.threads:
		s.prune(knobThreads, "--threads %s is given", def)
		s.add(knobThreads, own, true)
		return
	case !x.onCPU():
		s.prune(knobThreads, "the provider %s is no CPU", x.config.Providers[0].Name)
	default:
		own = nil
		for n := m.CPUs.Count; n > 0; n /= 2 { // the default, then its halves
			if m.SMT && n > m.Cores && n < m.CPUs.Count {
				s.prune(fmt.Sprintf("%s=%d", knobThreads, n), "between the %d physical cores and all %d logical ones", m.Cores, m.CPUs.Count)
				continue
			}
			own = append(own, strconv.Itoa(n))
		}
		if m.SMT && m.Cores < m.CPUs.Count && !slices.Contains(own, strconv.Itoa(m.Cores)) {
			own = slices.Insert(own, 1, strconv.Itoa(m.Cores))
		}
		if m.CPUs.Affinity > m.CPUs.Count {
			s.prune(fmt.Sprintf("%s>%d", knobThreads, m.CPUs.Count), "the quota grants %.3g of the %d CPUs, and more threads would be throttled", m.CPUs.Quota, m.CPUs.Affinity)
		}
	}
	s.add(knobThreads, valuesOf(asked, knobThreads, def, own), true)
}

// onCPU reports whether sessions run on the CPUs.
func (x *spaceFacts) onCPU() bool {
	return len(x.config.Providers) == 0 || x.config.Providers[0].Name == "cpu"
}

// addInstances adds how many runs there are at a time.
func (s *tuneSpace) addInstances(asked []tune.Knob) {
	own := []string{"1"}
	switch {
	case s.facts.objective == "latency":
		s.prune(knobInstances, "more runs at a time make no run quicker, and --objective is latency")
	case !s.facts.onCPU():
		own = []string{"1", "2"}
	default:
		for n := 2; n < s.facts.machine.CPUs.Count; n *= 2 {
			own = append(own, strconv.Itoa(n))
		}
		if n := s.facts.machine.CPUs.Count; n > 1 {
			own = append(own, strconv.Itoa(n))
		}
	}
	s.add(knobInstances, valuesOf(asked, knobInstances, "1", own), true)
}

// addBatch adds the rows of a run.
func (s *tuneSpace) addBatch(asked []tune.Knob) error {
	x := s.facts
	bound := strconv.FormatInt(x.rows, 10)
	var own []string
	for _, b := range x.batches {
		if v := strconv.FormatInt(b, 10); !slices.Contains(own, v) {
			own = append(own, v)
		}
	}
	wanted := slices.ContainsFunc(asked, func(k tune.Knob) bool { return k.Name == knobBatch })
	switch {
	case x.fixedRows != "" && wanted:
		return fault.New(fault.Usage, "leave --knob batch out", "the rows of a run cannot be chosen: %s", x.fixedRows)
	case x.fixedRows != "":
		s.prune(knobBatch, "%s", x.fixedRows)
		own = []string{bound}
	case x.objective == "latency" && !wanted:
		s.prune(knobBatch, "a run of more rows takes longer, and --objective is latency")
		own = []string{bound}
	}
	var values []string
	for _, v := range valuesOf(asked, knobBatch, bound, own) {
		n, _ := strconv.ParseInt(v, 10, 64) // checked by parseKnob
		if err := x.rowsError(n); err != nil {
			s.prune(knobBatch+"="+v, "%v", err)
			continue
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return fault.New(fault.Usage, "give others with --batch", "no batch size that was asked for can be run: %s", s.pruned[len(s.pruned)-1].Why)
	}
	s.add(knobBatch, values, true)
	return nil
}

// addEntries adds the settings of the runtime that are worth a try on every machine.
func (s *tuneSpace) addEntries(asked []tune.Knob) {
	for _, e := range []struct {
		name, def string
		own       []string
	}{{knobSpinning, "1", []string{"1", "0"}}, {knobBlocks, "0", []string{"0", "4"}}} {
		switch v, set := s.facts.config.Entries[knobEntries[e.name]]; {
		case set:
			s.prune(e.name, "--session-config sets %s=%s", knobEntries[e.name], v)
			continue
		case !s.facts.onCPU():
			s.prune(e.name, "the provider %s is no CPU", s.facts.config.Providers[0].Name)
			e.own = e.own[:1]
		}
		s.add(e.name, valuesOf(asked, e.name, e.def, e.own), false)
	}
}

// addInter adds threads for the branches of a graph.
func (s *tuneSpace) addInter(asked []tune.Knob) {
	x := s.facts
	def := strconv.Itoa(max(x.config.InterThreads, 1))
	own := []string{def}
	switch {
	case x.config.InterThreads > 0:
		s.prune(knobInter, "--inter-threads %s is given", def)
		s.add(knobInter, own, true)
		return
	case !x.onCPU():
	case x.width == 0:
		s.prune(knobInter, "how wide the graph is, is not known")
	case x.width <= minWidth:
		s.prune(knobInter, "the work of the graph is %.2f times that of its longest path, and from %.1f on a second branch is worth a thread", x.width, minWidth)
	case x.machine.CPUs.Count < 2:
		s.prune(knobInter, "there is one CPU")
	default:
		own = append(own, "2")
		if n := min(x.machine.CPUs.Count, int(x.width)); n > 2 {
			own = append(own, strconv.Itoa(n))
		}
	}
	s.add(knobInter, valuesOf(asked, knobInter, def, own), true)
}

// full returns a setting with the defaults of the knobs that it lacks.
func (s *tuneSpace) full(some map[string]string) tune.Setting {
	all := tune.Setting{}
	for _, k := range s.knobs {
		all[k.Name] = k.Values[0]
	}
	maps.Copy(all, some)
	return all
}

// number returns the number that a knob of s is set to; 1 where there is no such knob.
func number(s tune.Setting, knob string) int {
	n, err := strconv.Atoi(s[knob])
	if err != nil {
		return 1
	}
	return n
}

// sessions is how many sessions a setting opens: runs at a time on one thread each share one, as they do in serve.
func sessions(s tune.Setting) int {
	if number(s, knobThreads) == 1 {
		return 1
	}
	return number(s, knobInstances)
}

// allowed returns why a setting makes no sense, "" where it does.
func (s *tuneSpace) allowed(x tune.Setting) string {
	threads, instances, inter := number(x, knobThreads), number(x, knobInstances), number(x, knobInter)
	def := s.full(nil)
	if s.facts.onCPU() {
		cpus := s.facts.machine.CPUs.Count
		pinned := s.facts.threads && instances == 1 // who asks for more threads than CPUs by a flag gets them
		switch {
		case threads*instances > cpus && !pinned:
			return fmt.Sprintf("%d × %d threads on %d CPUs take turns", instances, threads, cpus)
		case threads == 1 && x[knobSpinning] != def[knobSpinning]:
			return "a single thread waits for no other"
		case threads == 1 && x[knobBlocks] != def[knobBlocks]:
			return "a single thread shares nothing out"
		case inter > 1 && instances > 1:
			return "branches and instances compete for the same CPUs"
		case inter > 1 && threads+inter-1 > cpus && s.facts.config.InterThreads == 0:
			return fmt.Sprintf("%d threads within operators and %d between them are more than %d CPUs", threads, inter, cpus)
		}
	}
	if n := sessions(x); n > 1 && s.facts.free > 0 && uint64(n)*uint64(s.facts.bytes) > s.facts.free {
		return fmt.Sprintf("%d copies of the model need %s, and %s are free", n, report.FormatValue(report.Bytes, float64(n)*float64(s.facts.bytes)), report.FormatValue(report.Bytes, float64(s.facts.free)))
	}
	return ""
}

// cost orders settings that are equally good: fewer busy threads, then fewer copies of the model, then fewer rows, whose
// clients wait for each other, then what differs least from the default.
func (s *tuneSpace) cost(x tune.Setting) float64 {
	c := float64(number(x, knobThreads)*number(x, knobInstances)+number(x, knobInter)-1) + 0.1*float64(sessions(x)) + 0.001*float64(number(x, knobBatch))
	for _, k := range s.knobs {
		if x[k.Name] != k.Values[0] {
			c += 0.0001
		}
	}
	return c
}

// changes writes a setting by the knobs that differ from the default.
func (s *tuneSpace) changes(set tune.Setting) string {
	var words []string
	for _, k := range s.knobs {
		if v, ok := set[k.Name]; ok && v != k.Values[0] {
			words = append(words, k.Name+"="+v)
		}
	}
	if len(words) == 0 {
		return "default"
	}
	return strings.Join(words, " ")
}

// settingText is a setting as a key: equal for equal settings.
func settingText(s map[string]string) string {
	var words []string
	for _, name := range sortedKeys(s) {
		words = append(words, strconv.Quote(name)+"="+strconv.Quote(s[name]))
	}
	return strings.Join(words, " ")
}
