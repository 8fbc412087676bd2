package http1

import (
	"testing"
	"time"
)

func TestUnread(t *testing.T) {
	const long, short = longIdle, longIdle - 1
	for _, c := range []struct {
		name string
		e    ending
		want bool
	}{
		{"nothing was written", ending{reset: true}, true},
		{"closed before it came", ending{written: 100, unacked: 100}, true},
		{"closed before it came, TLS", ending{written: 100, unacked: 122}, true},
		{"read and closed", ending{written: 100}, false},
		{"read and closed after a long time", ending{written: 100, idle: long}, false},
		{"half of it read and closed", ending{written: 100, unacked: 50}, false},
		{"reset on a busy connection", ending{written: 100, reset: true, unacked: 100, idle: short}, false},
		{"reset after a long time", ending{written: 100, reset: true, idle: long}, true},
		{"reset after a long time, and late", ending{written: 100, reset: true, idle: long, took: soonReset}, false},
		{"closed, not known how", ending{written: 100, unacked: -1, idle: short}, false},
		{"closed after a long time, not known how", ending{written: 100, unacked: -1, idle: long, took: time.Millisecond}, true},
	} {
		if got := c.e.unread(); got != c.want {
			t.Errorf("%s: unread %v, want %v", c.name, got, c.want)
		}
	}
}
