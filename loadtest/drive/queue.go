package drive

// Queue holds requests that wait, first in, first out. Its memory is that of the longest it ever was. The zero value is
// empty; it is for one goroutine at a time.
type Queue[T any] struct {
	ring []T // of a length that is a power of two
	head int
	n    int
}

// Len returns how many wait.
func (q *Queue[T]) Len() int { return q.n }

// Push adds v behind all others.
func (q *Queue[T]) Push(v T) {
	if q.n == len(q.ring) {
		ring := make([]T, max(64, 2*len(q.ring)))
		n := copy(ring, q.ring[q.head:])
		copy(ring[n:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
}

// First returns the one that has waited longest, valid until the next call of another method. There must be one.
func (q *Queue[T]) First() *T { return &q.ring[q.head] }

// Pop takes the one that has waited longest out. There must be one.
func (q *Queue[T]) Pop() T {
	v := q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return v
}
