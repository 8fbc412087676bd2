// Package rpc owns the gRPC front end: the Open Inference Protocol v2 with Triton's extensions, TensorFlow Serving's
// Predict, health and reflection.
package rpc
