package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"infer/report"
)

// fact is one thing that two documents must have in common.
type fact struct {
	what  string   // "option threads"
	value string   // for people; "": the document does not tell
	exact string   // decides in place of value where both sides have it: a digest
	near  float64  // decides where both sides have it, to 1 %; 0: it is no number
	soft  bool     // a difference is worth a warning, no more
	vary  []string // the names of --vary that allow a difference
}

func (f fact) told() bool { return f.value != "" }

func (f fact) same(o fact) bool {
	switch {
	case f.exact != "" && o.exact != "":
		return f.exact == o.exact
	case f.near > 0 && o.near > 0:
		return math.Abs(f.near-o.near) <= 0.01*max(f.near, o.near)
	}
	return f.value == o.value
}

// texts returns the values of two facts that differ so that one can see it.
func texts(a, b fact) (string, string) {
	if a.value == b.value && a.exact != b.exact {
		return a.value + " (sha256 " + short(a.exact) + ")", b.value + " (sha256 " + short(b.exact) + ")"
	}
	return a.value, b.value
}

func short(digest string) string { return digest[:min(12, len(digest))] }

// What facts are about, where others ask for it.
const (
	machine = "machine" // with the fingerprint as its value
	input   = "input "  // before the name of one
	random  = "random"  // the source of data that the seed makes
)

// factsOf lists what a document tells of how it was made, but for the model.
func factsOf(d *report.Document) []fact {
	facts := []fact{{what: "kind", value: d.Kind}, {what: "version of infer", value: d.Manifest.Tool, soft: true}, {what: "version of Go", value: d.Manifest.Go, soft: true}}
	facts = append(facts, hostFacts(d.Manifest)...)
	facts = append(facts, inputFacts(d)...)
	if r := d.Manifest.Runtime; r != nil {
		facts = append(facts, fact{what: "runtime", value: strings.TrimSpace(r.Name + " " + r.Version), vary: []string{"runtime"}},
			fact{what: "provider", value: strings.Join(r.Providers, ", "), vary: []string{"provider"}})
	}
	facts = append(facts, optionFacts(d)...)
	if d.Kind != "loadtest" {
		return facts
	}
	var x report.LoadDetails
	if json.Unmarshal(d.Details, &x) != nil {
		return facts
	}
	return append(facts, loadFacts(d, &x)...)
}

// hostFacts are those that the fingerprint of internal/host is made of, for what a person recognises, and the fingerprint.
func hostFacts(m report.Manifest) []fact {
	vary := []string{machine}
	text := func(of map[string]any, key string) string {
		if v, ok := of[key]; ok {
			return valueText(v)
		}
		return ""
	}
	facts := []fact{{what: machine, value: text(m.Host, "fingerprint"), vary: vary}}
	for _, key := range []string{"os", "arch", "cpu_model", "physical_cores", "logical_cores", "numa_nodes", "isa", "caches", "virtualised", "governor", "turbo"} {
		facts = append(facts, fact{what: machine + ": " + strings.ReplaceAll(key, "_", " "), value: text(m.Host, key), vary: vary})
	}
	cpus := ""
	if m.CPUs > 0 {
		cpus = strconv.FormatFloat(m.CPUs, 'g', -1, 64)
	}
	return append(facts, fact{what: machine + ": effective CPUs", value: cpus, vary: vary}, fact{what: "kernel", value: text(m.Host, "kernel"), soft: true})
}

// inputFacts are the shapes of the inputs, the data and the seed.
func inputFacts(d *report.Document) []fact {
	var facts []fact
	for _, name := range report.SortedKeys(d.Manifest.Bindings) {
		facts = append(facts, fact{what: input + name, value: d.Manifest.Bindings[name], vary: []string{"input"}})
	}
	seed := ""
	if s := d.Manifest.Seed; s != nil {
		seed = strconv.FormatUint(*s, 10)
	}
	if data := d.Manifest.Data; data != nil {
		f := fact{what: "data", value: data.Source, exact: data.SHA256, vary: []string{"data"}}
		if f.value == "" && f.exact != "" {
			f.value = "data"
		}
		if data.Source == random {
			f.vary = append(f.vary, "seed")
		}
		facts = append(facts, f)
	}
	return append(facts, fact{what: "seed", value: seed, vary: []string{"seed"}})
}

// optionFacts are the recorded options but those that say how a model was made, which the model itself shows, and those
// that the details of a load test tell.
func optionFacts(d *report.Document) []fact {
	var facts []fact
	for _, key := range report.SortedKeys(d.Manifest.Options) {
		switch key {
		case "mode", "target", "arrival", "concurrency", "scenario":
			continue
		}
		facts = append(facts, fact{what: "option " + varyName(key), value: valueText(d.Manifest.Options[key]), vary: []string{varyName(key)}})
	}
	return facts
}

// valueText writes a value of a manifest for people; "none" for one that is empty.
func valueText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	switch text := string(b); text {
	case "null", "{}", "[]":
		return "none"
	default:
		return strings.Trim(strings.ReplaceAll(text, `"`, ""), "{}[]")
	}
}

// loadFacts are how requests were made, and when.
func loadFacts(d *report.Document, x *report.LoadDetails) []fact {
	s, t := x.Schedule, x.Target
	count := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	scenario, _ := d.Manifest.Options["scenario"].(string)
	if scenario == "" && s.Loop != "" {
		scenario = "server"
	}
	payload := fact{what: "payload", value: count(int64(t.Payloads)), exact: t.PayloadHash, vary: []string{"payload", "data"}}
	if payload.value != "" {
		payload.value += " payloads"
	}
	if data := d.Manifest.Data; data != nil && data.Source == random {
		payload.vary = append(payload.vary, "seed")
	}
	window := fact{what: "duration", near: x.Window.Seconds, vary: []string{"duration"}, soft: s.Loop == "closed"} // a closed loop may end by requests
	if x.Window.Seconds > 0 && d.Verdict != report.Interrupted {
		window.value = report.FormatValue(report.Time, x.Window.Seconds)
	}
	return []fact{
		{what: "protocol", value: t.Protocol, vary: []string{"protocol"}},
		{what: "encoding", value: t.Encoding, vary: []string{"encoding"}},
		{what: "rows of a request", value: count(t.Rows), vary: []string{"batch"}},
		payload,
		{what: "scenario", value: scenario, vary: []string{"scenario"}},
		{what: "loop", value: s.Loop, vary: []string{"loop"}},
		{what: "arrival", value: s.Arrival, vary: []string{"arrival"}},
		{what: "rate", value: stagesText(s.Stages), vary: []string{"rate", "stages"}},
		{what: "concurrency", value: count(int64(s.Concurrency)), vary: []string{"concurrency"}},
		{what: "shard", value: s.Shard},
		window,
	}
}

// stagesText writes the rates of a load: "200 /s", "100 /s to 500 /s in 30 s, 500 /s for 60 s".
func stagesText(stages []report.LoadStage) string {
	var parts []string
	rate := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) + " /s" }
	for _, s := range stages {
		switch {
		case s.From != s.To:
			parts = append(parts, fmt.Sprintf("%s to %s in %g s", rate(s.From), rate(s.To), s.For))
		case len(stages) > 1:
			parts = append(parts, fmt.Sprintf("%s for %g s", rate(s.From), s.For))
		default:
			parts = append(parts, rate(s.From))
		}
	}
	return strings.Join(parts, ", ")
}
