package export

import (
	"bufio"
	"fmt"
	"io"
)

// writeFolded writes one stack a line, frames apart by semicolons, then a space and the nanoseconds of a run.
func writeFolded(w io.Writer, s Source) error {
	if err := s.needNodes(); err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	for _, n := range s.samples() {
		for i, frame := range n.stack {
			if i > 0 {
				b.WriteByte(';')
			}
			b.WriteString(escaped(frame, func(r rune) bool { return r == ';' }))
		}
		fmt.Fprintf(b, " %d\n", n.nanoseconds)
	}
	return b.Flush()
}
