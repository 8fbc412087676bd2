package drive

// fifo is a queue of requests. Its memory is that of the longest it ever was.
type fifo struct {
	ring []job // a power of two
	head int
	n    int
}

func (f *fifo) push(j job) {
	if f.n == len(f.ring) {
		ring := make([]job, max(64, 2*len(f.ring)))
		n := copy(ring, f.ring[f.head:])
		copy(ring[n:], f.ring[:f.head])
		f.ring, f.head = ring, 0
	}
	f.ring[(f.head+f.n)&(len(f.ring)-1)] = j
	f.n++
}

func (f *fifo) front() job { return f.ring[f.head] }

func (f *fifo) pop() (job, bool) {
	if f.n == 0 {
		return job{}, false
	}
	j := f.ring[f.head]
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.n--
	return j, true
}
