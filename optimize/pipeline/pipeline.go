// Package pipeline owns infer optimize: passes one after the other, each proven, those that drift rolled back, and the
// result as fast as the original at least.
package pipeline
