// Package artifact owns what a compiled or converted model says of itself and needs, and whether it would load here.
package artifact
