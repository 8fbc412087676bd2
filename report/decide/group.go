package decide

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"infer/internal/fault"
	"infer/report"
)

// grouping sorts documents into configurations.
type grouping struct {
	sources  []*source
	configs  []*config // in the order of the operands
	warnings []string
}

func (g *grouping) warn(format string, args ...any) {
	if w := fmt.Sprintf(format, args...); !slices.Contains(g.warnings, w) {
		g.warnings = append(g.warnings, w)
	}
}

// group opens the documents and finds the configurations that they are of: one for each NAME, each load test, each
// profile of a model that is not load-tested, and each model that nothing else is about.
func group(in []Input) (*grouping, error) {
	g := &grouping{}
	for i, n := range in {
		s, err := open(i, n)
		if err != nil {
			return nil, err
		}
		g.sources = append(g.sources, s)
	}
	g.nameLoads()
	for _, s := range g.sources {
		if s.config != "" {
			g.take(s.config, s)
		}
	}
	if err := g.oneModelEach(); err != nil {
		return nil, err
	}
	g.guessServed()
	loaded := slices.Clone(g.configs)
	for _, s := range g.sources {
		if s.config == "" && s.profile != nil && !slices.ContainsFunc(loaded, func(c *config) bool { return c.model.is(s.model()) }) {
			s.config = g.free(stem(s.Path))
			g.take(s.config, s)
		}
	}
	for _, s := range g.sources {
		for _, m := range []identity{s.model(), s.written()} {
			if s.config == "" && m.known() && !slices.ContainsFunc(g.configs, func(c *config) bool { return c.model.is(m) }) {
				g.configs = append(g.configs, &config{DecisionConfig: report.DecisionConfig{Name: g.free(stem(m.path))}, model: m, at: s.at})
			}
		}
	}
	slices.SortStableFunc(g.configs, func(a, b *config) int { return a.at - b.at })
	return g, nil
}

// nameLoads gives load tests without a name that of their file, with its folder where several files have one name.
func (g *grouping) nameLoads() {
	var loads []*source
	for _, s := range g.sources {
		if s.load != nil && s.config == "" {
			loads = append(loads, s)
		}
	}
	for _, s := range loads {
		name := stem(s.Path)
		for _, o := range loads {
			if folder := filepath.Base(filepath.Dir(s.Path)); o != s && stem(o.Path) == stem(s.Path) && folder != "." && folder != string(filepath.Separator) {
				name = folder + "/" + stem(s.Path)
			}
		}
		s.config = g.free(name)
	}
}

// free is a name, numbered where a source or a configuration has it already.
func (g *grouping) free(name string) string {
	taken := func(n string) bool {
		return slices.ContainsFunc(g.sources, func(s *source) bool { return s.config == n }) ||
			slices.ContainsFunc(g.configs, func(c *config) bool { return c.Name == n })
	}
	free := name
	for i := 2; taken(free); i++ {
		free = fmt.Sprintf("%s-%d", name, i)
	}
	return free
}

// take makes s a measurement of the configuration of a name, and that where there is none yet.
func (g *grouping) take(name string, s *source) {
	i := slices.IndexFunc(g.configs, func(c *config) bool { return c.Name == name })
	if i < 0 {
		i = len(g.configs)
		g.configs = append(g.configs, &config{DecisionConfig: report.DecisionConfig{Name: name}, at: s.at})
	}
	c := g.configs[i]
	c.own = append(c.own, s)
	if m := s.measured(); c.model.sha256 == "" && m.known() {
		c.model = m
	}
	if s.load != nil && c.served == "" {
		c.served = s.load.Target.Model
	}
}

// oneModelEach refuses a name that was given to documents of different models: the accuracy of one beside the latency of
// the other would decide for a configuration that does not exist.
func (g *grouping) oneModelEach() error {
	for _, c := range g.configs {
		for _, s := range c.own {
			if m := s.measured(); m.sha256 != "" && c.model.sha256 != "" && m.sha256 != c.model.sha256 {
				return fault.New(fault.Usage, "give each model a name of its own", "%q has documents of different models: %q is of %.12s and others are of %.12s",
					c.Name, s.Path, m.sha256, c.model.sha256)
			}
		}
	}
	return nil
}

// guessServed takes a served model, whose load test cannot tell its hash, for the one among the documents whose file has
// the name under which it is served, where there is exactly one.
func (g *grouping) guessServed() {
	byStem := map[string]map[string]identity{} // stem → hash or path → model
	for _, s := range g.sources {
		for _, m := range []identity{s.model(), s.written()} {
			if m.path == "" {
				continue
			}
			if byStem[stem(m.path)] == nil {
				byStem[stem(m.path)] = map[string]identity{}
			}
			key := m.sha256
			if key == "" {
				key = m.path
			}
			byStem[stem(m.path)][key] = m
		}
	}
	for _, c := range g.configs {
		if c.model.known() || c.served == "" || len(byStem[c.served]) != 1 {
			continue
		}
		for _, m := range byStem[c.served] {
			c.model = m
			g.warn("%s: a server does not tell the hash of its model: it is taken for %s, by the name under which it is served", c.Name, filepath.Base(m.path))
		}
	}
}

// sortedSet lists the members of a set.
func sortedSet(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
