package http1

import "time"

const (
	longIdle  = time.Second            // servers let connections idle for seconds before they close them
	soonReset = 100 * time.Millisecond // a reset that a request met, rather than caused, comes as soon as the network can
)

// ending is how a kept connection ended under a request of whose answer no byte had come.
type ending struct {
	written int           // bytes of the request that were written
	reset   bool          // or another error; false: the server closed it in order
	unacked int           // bytes written that the server's system had not acknowledged; -1: not known
	idle    time.Duration // before the request was sent
	took    time.Duration // from sending to the end
}

// unread reports whether the server cannot have read the request: it may be sent again then, without being served
// twice, and without hiding that the server leaves requests unanswered.
//
// A close in order acknowledges everything that had come before it, so one that acknowledges nothing of the request was
// on its way already. A reset acknowledges nothing in any case: the server either closed while the request lay unread,
// or threw it away. It counts as the former where the server had reason to close, that is after a long idle time. The
// same holds where it is not known what was acknowledged.
func (e ending) unread() bool {
	switch {
	case e.written == 0:
		return true
	case !e.reset && e.unacked >= 0:
		return e.unacked >= e.written
	}
	return e.idle >= longIdle && e.took < soonReset
}
