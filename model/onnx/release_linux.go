package onnx

import "syscall"

// release drops the pages of a mapped file from this process's memory; they come back when they are touched. Each
// touch maps 64 KiB around it, so walking past thousands of tensors would hold a large part of the file.
func release(mapped []byte) {
	if len(mapped) > 0 {
		_ = syscall.Madvise(mapped, syscall.MADV_DONTNEED)
	}
}
