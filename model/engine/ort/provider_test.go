//go:build cgo && !windows

package ort

import (
	"context"
	"errors"
	"testing"

	ortgo "github.com/yalue/onnxruntime_go"

	"infer/internal/fault"
)

// TestOpenIsLeft: a session that takes long to create is left to itself when the context ends, and what it wrote is
// removed once the library is done with it.
func TestOpenIsLeft(t *testing.T) {
	removed := make(chan struct{})
	o := opener{abandoned: func() { close(removed) }}
	ctx, cancel := context.WithCancel(context.Background())
	creating, finish := make(chan struct{}), make(chan struct{})
	go func() {
		<-creating
		cancel()
	}()
	_, err := o.wait(ctx, func() (*ortgo.DynamicAdvancedSession, error) {
		close(creating)
		<-finish
		return nil, errors.New("too late")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that of the context", err)
	}
	select {
	case <-removed:
		t.Error("files are removed while the library may still write them")
	default:
	}
	close(finish)
	<-removed
}

// TestBadOption: the library loads the provider's own library to look at options; that it cannot is no option's fault.
func TestBadOption(t *testing.T) {
	const loader = "[ONNXRuntimeError] : 1 : FAIL : Failed to load library /x/libonnxruntime_providers_tensorrt.so with error: libnvinfer.so.10: cannot open shared object file"
	if err := badOption("tensorrt", errors.New(loader)); fault.KindOf(err) == fault.Usage {
		t.Errorf("%v is called a usage error", err)
	}
	if err := badOption("tensorrt", errors.New("Unknown provider option: \"trt_porridge\"")); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v is not called a usage error", err)
	}
}
