// Package tfs owns the messages of TensorFlow Serving's gRPC form, generated from the .proto files beside it by
// scripts/proto.sh. Those of Predict are read and written by internal/wire instead, on the hot path.
package tfs
