package schedule

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
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
	w := bufio.NewWriterSize(h, 8192)
	s.writeOptions(w)
	if s.o.Trace == nil && s.expected(from) > mostWalked {
		writeMoment(w, from)
	} else {
		for c, n := s.whole(), 0; n < mostHashed; {
			_, due, ok := c.Next()
			if !ok {
				break
			}
			if due >= from {
				writeMoment(w, due)
				n++
			}
		}
	}
	w.Flush() // a hash does not fail
	return hex.EncodeToString(h.Sum(nil))
}

// writeOptions writes what a schedule is made of, but for the shard.
func (s *Schedule) writeOptions(w *bufio.Writer) {
	if s.o.Trace != nil {
		fmt.Fprintf(w, "trace of %d, bound %d\n", len(s.o.Trace), s.o.Requests)
		for _, m := range s.o.Trace {
			writeMoment(w, m)
		}
		return
	}
	fmt.Fprintf(w, "%s, seed %d, bound %d\n", s.arrival, s.o.Seed, s.o.Requests)
	for _, g := range s.o.Stages {
		fmt.Fprintf(w, "%x..%xx%d\n", g.From, g.To, int64(g.For))
	}
}

func writeMoment(w *bufio.Writer, m time.Duration) {
	w.Write(binary.LittleEndian.AppendUint64(w.AvailableBuffer(), uint64(m)))
}
