package child

import (
	"strings"
	"sync"
)

// Tail keeps the end of what is written to it. It is safe for concurrent use.
type Tail struct {
	mu  sync.Mutex
	b   []byte
	max int
}

// NewTail returns a Tail of the last max bytes, or a few more.
func NewTail(max int) *Tail { return &Tail{max: max} }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*t.max {
		t.b = append(t.b[:0], t.b[len(t.b)-t.max:]...)
	}
	return len(p), nil
}

// Last returns the last three lines that are not blank as ": a; b; c", at most 400 bytes, "" for none.
func (t *Tail) Last() string {
	t.mu.Lock()
	text := strings.ToValidUTF8(string(t.b), "?")
	t.mu.Unlock()
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	s := strings.Join(lines[max(0, len(lines)-3):], "; ")
	if len(s) > 400 {
		s = "…" + strings.ToValidUTF8(s[len(s)-400:], "")
	}
	return ": " + s
}
