// Package exporter owns making ONNX models of PyTorch programs and TensorFlow SavedModels, by driving the exporters of
// the user's own Python.
package exporter
