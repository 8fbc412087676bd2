// Package ortformat owns reading ONNX Runtime's own file format (.ort, a flatbuffer): the graph in it, for looking at
// and for running; it writes none.
package ortformat
