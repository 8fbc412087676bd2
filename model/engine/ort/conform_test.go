package ort_test

import (
	"testing"

	"infer/model/engine/enginetest"
)

func TestConform(t *testing.T) {
	for _, p := range enginetest.Available(t) {
		t.Run(p.Name, func(t *testing.T) { enginetest.Conform(t, p) })
	}
}
