package compare

import (
	"cmp"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/report"
)

// Differs returns what two documents do not have in common and would need to, for a change between them to come from the
// model alone: the kind, the machine, the inputs and their data, how the sessions were made, how the load was made. What
// vary names is Allowed. The model, its name and the address of a server may differ; what only one of the documents
// tells is no difference (a result of another tool knows no machine). Details that cannot be read tell nothing.
func Differs(base, head *report.Document, vary []string) []report.CompareDiffers {
	list, _ := differs(factsOf(base), factsOf(head), vary)
	return list
}

// CheckVary returns a fault of kind fault.Usage for the first name that --vary does not know. Known are VaryNames and the options that the documents record.
func CheckVary(names []string, docs ...*report.Document) error {
	known := VaryNames()
	for _, d := range docs {
		if d != nil {
			for key := range d.Manifest.Options {
				known = append(known, varyName(key))
			}
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, n := range names {
		if slices.Contains(known, varyName(n)) {
			continue
		}
		hint := "what may vary: " + strings.Join(known, ", ")
		if near := fault.Nearest(varyName(n), known); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return fault.New(fault.Usage, hint, "--vary %q is nothing that two results could differ in", n)
	}
	return nil
}

// VaryNames lists the names of --vary, sorted. Beside them it takes every option that a document records.
func VaryNames() []string {
	return []string{"arrival", "batch", "concurrency", "connections", "data", "duration", "encoding", "input", "instances", "inter-threads", "loop",
		"machine", "payload", "protocol", "provider", "rate", "runtime", "scenario", "seed", "session-config", "stages", "threads", "timeout"}
}

// varyName returns the name of --vary for an option as a manifest or a flag writes it.
func varyName(option string) string {
	name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(option)), "_", "-")
	return strings.TrimSuffix(strings.TrimPrefix(name, "--"), "-s") // timeout_s is in seconds
}

// differs compares the facts of two documents: what keeps them from being compared, and what to warn of.
func differs(base, head []fact, vary []string) (list []report.CompareDiffers, warnings []string) {
	var names []string
	for _, v := range vary {
		names = append(names, varyName(v))
	}
	allowed := func(b, h fact) bool {
		may := func(f fact, n string) bool { return f.what == "" || slices.Contains(f.vary, n) }
		return slices.ContainsFunc(names, func(n string) bool { return may(b, n) && may(h, n) })
	}
	var onlyBase, onlyHead []string
	one, other := find(base, machine), find(head, machine)
	for _, pair := range matched(base, head) {
		b, h := pair[0], pair[1]
		known := b
		if b.what == "" {
			known = h
		}
		switch group, _, part := strings.Cut(known.what, ": "); {
		case part && one.told() && one.value == other.value: // of one machine, whose fingerprint leaves out what does not matter
		case !b.told() && !h.told():
		case !h.told():
			onlyBase = append(onlyBase, group)
		case !b.told():
			onlyHead = append(onlyHead, group)
		case b.same(h):
		case known.soft:
			x, y := texts(b, h)
			warnings = append(warnings, known.what+" differs: base has "+x+", head has "+y)
		default:
			x, y := texts(b, h)
			list = append(list, report.CompareDiffers{What: known.what, Base: x, Head: y, Allowed: allowed(b, h)})
		}
	}
	for side, groups := range map[string][]string{"base": onlyBase, "head": onlyHead} {
		if len(groups) > 0 {
			warnings = append(warnings, "only "+side+" tells of "+strings.Join(slices.Compact(groups), ", ")+": whether that is alike is not known")
		}
	}
	slices.Sort(warnings)
	return dropFingerprint(list), warnings
}

// dropFingerprint leaves out that the machines' fingerprints differ where it is said in what.
func dropFingerprint(list []report.CompareDiffers) []report.CompareDiffers {
	part := func(d report.CompareDiffers) bool { return strings.HasPrefix(d.What, machine+": ") }
	if !slices.ContainsFunc(list, part) {
		return list
	}
	return slices.DeleteFunc(list, func(d report.CompareDiffers) bool { return d.What == machine })
}

// matched pairs facts by what they are about: those of base in order, then those that only head has. Who tells of inputs
// tells of all of them.
func matched(base, head []fact) [][2]fact {
	isInput := func(f fact) bool { return strings.HasPrefix(f.what, input) }
	inputs := slices.ContainsFunc(base, isInput) && slices.ContainsFunc(head, isInput)
	var out [][2]fact
	add := func(b, h fact) {
		if inputs && (isInput(b) || isInput(h)) {
			b.value, h.value = cmp.Or(b.value, "none"), cmp.Or(h.value, "none")
		}
		out = append(out, [2]fact{b, h})
	}
	for _, b := range base {
		add(b, find(head, b.what))
	}
	for _, h := range head {
		if find(base, h.what).what == "" {
			add(fact{}, h)
		}
	}
	return out
}

func find(list []fact, what string) fact {
	if i := slices.IndexFunc(list, func(f fact) bool { return f.what == what }); i >= 0 {
		return list[i]
	}
	return fact{}
}

// difference says what differs in words.
func difference(d report.CompareDiffers) string {
	if strings.Contains(d.What, among) {
		return d.What + " is " + d.Base + " and " + d.Head
	}
	return d.What + " is " + d.Base + " in base and " + d.Head + " in head"
}

// among sets what differs within a side apart from what differs between the sides.
const among = " among the "

// barring returns the differences that --vary does not allow.
func barring(list []report.CompareDiffers) []report.CompareDiffers {
	return slices.DeleteFunc(slices.Clone(list), func(d report.CompareDiffers) bool { return d.Allowed })
}

// Comparable reports whether two documents may be compared, where vary names what may differ.
func Comparable(base, head *report.Document, vary []string) bool {
	return len(barring(Differs(base, head, vary))) == 0
}
