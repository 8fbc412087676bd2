// Package pb owns the messages of the Open Inference Protocol's gRPC form, generated from the .proto files beside it by
// scripts/proto.sh. The two messages of an inference are read and written by internal/wire instead, on the hot path.
package pb
