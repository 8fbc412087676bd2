//go:build cgo && !windows

package ort

import (
	"context"
	"errors"
	"testing"

	ortgo "github.com/yalue/onnxruntime_go"
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
