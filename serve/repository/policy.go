package repository

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// policy says which versions of a model are loaded.
type policy struct {
	latest int      // the newest so many; 0: not asked
	all    bool     //
	named  []string // these
}

// parsePolicy reads ModelOptions.Versions.
func parsePolicy(text string) (policy, error) {
	bad := func() (policy, error) {
		return policy{}, fault.New(fault.Usage, `it is "latest", "latest:N", "all" or versions such as "1,3"`, "versions %q: not a policy", text)
	}
	switch {
	case text == "" || text == "latest":
		return policy{latest: 1}, nil
	case text == "all":
		return policy{all: true}, nil
	}
	if n, ok := strings.CutPrefix(text, "latest:"); ok {
		v, err := strconv.Atoi(n)
		if err != nil || v < 1 {
			return bad()
		}
		return policy{latest: v}, nil
	}
	var p policy
	for _, v := range strings.Split(text, ",") {
		v = strings.TrimSpace(v)
		if _, err := strconv.ParseUint(v, 10, 63); err != nil {
			return bad()
		}
		p.named = append(p.named, v)
	}
	return p, nil
}

// choose returns those of files, the oldest first, that are to be loaded; extra versions beside.
func (p policy) choose(files []file, extra map[string]int) []file {
	var chosen []file
	for i, f := range files {
		_, more := extra[f.version]
		if p.all || len(files)-i <= p.latest || slices.Contains(p.named, f.version) || more {
			chosen = append(chosen, f)
		}
	}
	return chosen
}

// over returns o with the zero fields of it taken from base.
func (o ModelOptions) over(base ModelOptions) ModelOptions {
	o.SLO = cmp.Or(o.SLO, base.SLO)
	o.MaxBatch = cmp.Or(o.MaxBatch, base.MaxBatch)
	o.MaxDelay = cmp.Or(o.MaxDelay, base.MaxDelay)
	o.MaxWait = cmp.Or(o.MaxWait, base.MaxWait)
	o.MaxQueue = cmp.Or(o.MaxQueue, base.MaxQueue)
	o.Instances = cmp.Or(o.Instances, base.Instances)
	o.Threads = cmp.Or(o.Threads, base.Threads)
	o.Versions = cmp.Or(o.Versions, base.Versions)
	o.Sticky = cmp.Or(o.Sticky, base.Sticky)
	if o.Split == nil {
		o.Split = base.Split
	}
	return o
}

// validate reports what is wrong with the options of the model of a name, "" for those of all.
func (o ModelOptions) validate(name string) error {
	of := fmt.Sprintf("model %q", name)
	if name == "" {
		of = "all models"
	}
	if o.SLO < 0 || o.MaxBatch < 0 || o.MaxDelay < 0 || o.MaxWait < 0 || o.MaxQueue < 0 || o.Instances < 0 || o.Threads < 0 {
		return fault.New(fault.Usage, "0 stands for the default", "options of %s: a time or number is negative", of)
	}
	_, err := parsePolicy(o.Versions)
	if err == nil {
		err = checkSplit(o.Split)
	}
	if name == "" {
		return err
	}
	return fault.Wrap(err, "model %q", name)
}

// checkSplit reports percentages that do not make a split.
func checkSplit(split map[string]int) error {
	sum := 0
	for _, v := range slices.Sorted(maps.Keys(split)) {
		if _, err := strconv.ParseUint(v, 10, 63); err != nil || split[v] < 0 || split[v] > 100 {
			return fault.New(fault.Usage, "such as 1: 95, 2: 5", "split %s: %d: it takes versions and percentages from 0 to 100", v, split[v])
		}
		sum += split[v]
	}
	if len(split) > 0 && sum != 100 {
		return fault.New(fault.Usage, "such as 1: 95, 2: 5", "the split adds up to %d %%, not 100", sum)
	}
	return nil
}

// same reports whether a version that is loaded with o need not be loaded again for p.
func (o ModelOptions) same(p ModelOptions) bool {
	return o.SLO == p.SLO && o.MaxBatch == p.MaxBatch && o.MaxDelay == p.MaxDelay && o.MaxWait == p.MaxWait &&
		o.MaxQueue == p.MaxQueue && o.Instances == p.Instances && o.Threads == p.Threads
}

// changes says in words what is other in p than in o.
func (o ModelOptions) changes(p ModelOptions) []string {
	var list []string
	add := func(name string, a, b any) {
		if x, y := fmt.Sprint(a), fmt.Sprint(b); x != y {
			list = append(list, fmt.Sprintf("%s: %s → %s", name, x, y))
		}
	}
	add("slo", o.SLO, p.SLO)
	add("max batch", o.MaxBatch, p.MaxBatch)
	add("max delay", o.MaxDelay, p.MaxDelay)
	add("max wait", o.MaxWait, p.MaxWait)
	add("max queue", o.MaxQueue, p.MaxQueue)
	add("instances", o.Instances, p.Instances)
	add("threads", o.Threads, p.Threads)
	add("versions", cmp.Or(o.Versions, "latest"), cmp.Or(p.Versions, "latest"))
	add("split", o.Split, p.Split)
	add("sticky", cmp.Or(o.Sticky, "request id"), cmp.Or(p.Sticky, "request id"))
	return list
}
