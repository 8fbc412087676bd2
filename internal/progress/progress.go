// Package progress owns the one event type through which long work tells how far it is.
package progress

// Event is one step of work that takes longer than a second. Done and Total are in Unit; Total 0 means unknown.
type Event struct {
	Phase string  // "warm-up", "timed runs", "download onnxruntime 1.30.0", …
	Done  float64 //
	Total float64 //
	Unit  string  // "runs", "B", "rows", "s"
	Note  string  // one short fact beside the bar, such as the newest median
}

// Func receives events; it must be quick and safe for concurrent use. A nil Func may be called through Send.
type Func func(Event)

// Send calls f unless it is nil.
func (f Func) Send(e Event) {
	if f != nil {
		f(e)
	}
}
