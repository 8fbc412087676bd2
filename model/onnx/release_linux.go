package onnx

import (
	"os"
	"syscall"
	"unsafe"
)

// release drops the pages of a mapped file from this process's memory; they come back when they are touched. Each
// touch maps 64 KiB around it, so walking past thousands of tensors would hold a large part of the file.
// A part of a mapping may be given: pages that lie wholly in it are dropped.
func release(mapped []byte) {
	if len(mapped) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	skip := -uintptr(unsafe.Pointer(&mapped[0])) & (page - 1)
	if skip < uintptr(len(mapped)) {
		_ = syscall.Madvise(mapped[skip:], syscall.MADV_DONTNEED)
	}
}
