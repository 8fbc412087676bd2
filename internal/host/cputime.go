package host

import "time"

// ProcessCPU returns the CPU time that this process has used so far, user and system, over all its threads; 0 where the
// system does not tell. What a thread has used since the system last looked at it, a few milliseconds, may be missing.
func ProcessCPU() time.Duration { return time.Duration(processUsage().cpu * float64(time.Second)) }
