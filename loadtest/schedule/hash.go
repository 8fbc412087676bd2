package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"time"
)

// mostHashed is how many moments Hash covers. What the options say covers the others; the moments are there so that
// another generator of moments has another hash.
const mostHashed = 1 << 20

// Hash returns a SHA-256 in hexadecimal by which two loads that asked for the same are known, whatever their shards. It
// covers the options (arrival, stages, bound and seed, or the whole trace), and the first 2^20 moments from the given
// one on as 8-byte little-endian nanoseconds; in place of moments the given one alone, where more than 4 million
// requests are expected before it.
func (s *Schedule) Hash(from time.Duration) string {
	h := sha256.New()
	s.writeOptions(h)
	if s.o.Trace == nil && s.expected(from) > mostWalked {
		writeMoments(h, []time.Duration{from})
		return hex.EncodeToString(h.Sum(nil))
	}
	moments := make([]time.Duration, 0, 1024)
	for c, n := s.whole(), 0; n < mostHashed; {
		_, due, ok := c.Next()
		if !ok {
			break
		}
		if due < from {
			continue
		}
		n++
		if moments = append(moments, due); len(moments) == cap(moments) {
			writeMoments(h, moments)
			moments = moments[:0]
		}
	}
	writeMoments(h, moments)
	return hex.EncodeToString(h.Sum(nil))
}

// writeOptions writes what a schedule is made of, but for the shard.
func (s *Schedule) writeOptions(h hash.Hash) {
	if s.o.Trace != nil {
		fmt.Fprintf(h, "trace of %d, bound %d\n", len(s.o.Trace), s.o.Requests)
		writeMoments(h, s.o.Trace)
		return
	}
	fmt.Fprintf(h, "%s, seed %d, bound %d\n", s.arrival, s.o.Seed, s.o.Requests)
	for _, g := range s.o.Stages {
		fmt.Fprintf(h, "%x..%xx%d\n", g.From, g.To, int64(g.For))
	}
}

func writeMoments(h hash.Hash, moments []time.Duration) {
	buf := make([]byte, 0, 8192)
	for len(moments) > 0 {
		n := min(len(moments), cap(buf)/8)
		buf = buf[:0]
		for _, m := range moments[:n] {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(m))
		}
		h.Write(buf)
		moments = moments[n:]
	}
}
