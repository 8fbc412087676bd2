package null

import "time"

// line says when answers leave. It is a pure function of when requests come; times are since any one moment. Answers
// leave in the order in which requests came. It is not safe for concurrent use.
type line struct {
	o     Options
	begun bool
	stall time.Duration // when the server stops; its own clock, which counts the service, stands for StallFor then
	free  time.Duration // by its own clock, when the server has done all that it has taken
}

// timed reports whether any answer ever waits.
func (o *Options) timed() bool { return o.ServiceTime > 0 || o.StallFor > 0 }

// leave takes a request that comes at a time, not before the last one, and returns when its answer leaves.
func (l *line) leave(now time.Duration) time.Duration {
	if !l.begun {
		l.begun, l.stall, l.free = true, now+l.o.StallAfter, now
	}
	begin := now // by the server's own clock
	if l.o.StallFor > 0 && now >= l.stall {
		begin = max(l.stall, now-l.o.StallFor)
	}
	if l.o.Serial {
		begin = max(begin, l.free)
	}
	end := begin + l.o.ServiceTime
	l.free = end
	if l.o.StallFor > 0 && end >= l.stall {
		end += l.o.StallFor
	}
	return end
}
