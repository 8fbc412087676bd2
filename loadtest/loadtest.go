// Package loadtest owns load tests: it puts schedule, generator and samples together, judges whether what was measured
// can be believed, searches the rate at which an objective breaks, and says in words what the figures mean.
package loadtest
