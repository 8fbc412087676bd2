// Package trtexec owns driving NVIDIA's trtexec, of TensorRT 10 and 11: which version there is, its arguments, its
// progress, and the files that it writes.
package trtexec
