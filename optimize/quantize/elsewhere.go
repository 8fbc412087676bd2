package quantize

import (
	"maps"
	"runtime"

	"infer/internal/host"
	"infer/optimize/quantize/emit"
)

// exactProducts makes ONNX Runtime add products of integers exactly on CPUs whose fast kernels saturate. It is slow.
const exactProducts = "session.x64quantprecision"

// elsewhere settles what can be measured here of a model that is to run on something else.
func (q *quantizer) elsewhere() {
	name, provider := q.task.Target.Name, q.task.Provider.Name()
	here, _, err := emit.NewTarget("cpu", provider, runtime.GOARCH, host.Facts().ISA)
	switch {
	case err != nil:
	case !q.task.Target.Contrib && (provider == "cpu" || provider != name && provider != "cuda"):
		q.away = "the model is for " + name + ", which this run does not use: its speed is not measured"
	case q.task.Target.Contrib && provider != "cpu":
		q.away = "the model is for the cpu provider, and this run uses " + provider + ": its speed is not measured"
	case name == "cpu:vnni" && here.Name != name:
		q.away = "this CPU has no VNNI: accuracy is judged with exact kernels, speed is not measured"
		entries := maps.Clone(q.task.Config.Entries)
		if entries == nil {
			entries = map[string]string{}
		}
		entries[exactProducts] = "1"
		q.task.Config.Entries = entries
	case name == "cpu:avx2" && here.Name != name:
		q.doc.Warn("the model is for CPUs without VNNI, and its speed is measured on one that has it")
	}
	if q.away != "" {
		q.doc.Warn("%s", q.away)
		q.options.AllowSlower = true
	}
}
