package guard

import "sync/atomic"

// DefaultBudget is how many bytes the requests of a server may hold at a time where its memory allows that.
const DefaultBudget = 1 << 30

// Budget bounds the bytes that the running requests of all front ends hold together: bodies as they come, what they
// unpack to, and tensors that were decoded from them. Safe for concurrent use.
type Budget struct {
	limit int64
	held  atomic.Int64
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Take reports whether n more bytes may be held, and counts them if so: give them back with Give.
func (b *Budget) Take(n int64) bool {
	if b.held.Add(n) <= b.limit {
		return true
	}
	b.held.Add(-n)
	return false
}

// Give gives n bytes back.
func (b *Budget) Give(n int64) { b.held.Add(-n) }

// Held returns how many bytes are held.
func (b *Budget) Held() int64 { return b.held.Load() }

// Limit returns how many bytes may be held.
func (b *Budget) Limit() int64 { return b.limit }
