// Package batch owns the decision which requests run together and when: the queue, the latency model, admission and
// dispatch. The scheduler is pure state with an explicit clock, so that the same code runs in the server (Runner) and
// in a discrete-event simulator (in the tests).
package batch

import (
	"fmt"
	"time"
)

// Refusal says that work was not taken, or was dropped before it ran.
type Refusal struct {
	Why        Why
	RetryAfter time.Duration // when to come again; 0: unknown
	Detail     string
}

// Why is the reason of a Refusal.
type Why string

// The reasons.
const (
	Full      Why = "full"      // a hard limit of the queue
	Overload  Why = "overload"  // it would miss its deadline: refused on arrival
	Late      Why = "late"      // admitted, and its deadline could not be met any more
	Cancelled Why = "cancelled" // its client has gone
	Closed    Why = "closed"    // the scheduler takes no more work
)

// Error names the reason.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Why, r.Detail) }
