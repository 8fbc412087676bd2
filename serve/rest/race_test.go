//go:build race

package rest

// raced says that the race detector is on, under which pools lose what they hold.
const raced = true
