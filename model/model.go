// Package model owns an open model file: its signature, its digest, binding its dynamic axes, its external data and
// saving it without ever leaving half a file.
package model

import (
	"infer/model/onnx"
)

// Port is one graph input or output: Name and Type with named dynamic axes (onnx.Dim).
type Port struct {
	Name string
	Type *onnx.Type // never nil; Kind is KindNone where the file states no type
}

// Model is an open model: the graph to read and edit, and the file behind it. It is not safe for concurrent edits.
// Tensor bytes may alias the mapped file: nothing of Proto may be used after Close.
type Model struct {
	Path  string      // "" for a model made in memory
	Proto *onnx.Model // the graph; whoever changes it calls MarkEdited
}
