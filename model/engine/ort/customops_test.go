//go:build cgo && !windows

package ort_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

func TestCustomOps(t *testing.T) {
	library := enginetest.CustomOps(t)
	cpu := enginetest.CPU(t)
	s, err := cpu.Open(t.Context(), enginetest.Twice(), engine.Config{Threads: 1, CustomOps: []string{library}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]tensor.Tensor, 1)
	if err := s.Run(t.Context(), []tensor.Tensor{enginetest.Floats("", nil, 1, 2, 3)}, out); err != nil {
		t.Fatal(err)
	}
	if want := enginetest.Floats("", nil, 4, 8, 12); string(out[0].Data) != string(want.Data) {
		t.Errorf("got %x, want %x", out[0].Data, want.Data)
	}
	again, err := cpu.Open(t.Context(), enginetest.Twice(), engine.Config{Threads: 1, CustomOps: []string{library}})
	if err != nil {
		t.Fatalf("the same library for a second session: %v", err)
	}
	again.Close()
}

func TestCustomOpsRefused(t *testing.T) {
	cpu := enginetest.CPU(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "libtext.so")
	if err := os.WriteFile(text, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		ops  []string
		want string
		hint string
		kind fault.Kind
	}{
		{"none", nil, `no library registers operator Twice of domain "infer.test"`, "--custom-ops", fault.Unsupported},
		{"absent", []string{filepath.Join(dir, "none.so")}, "no such file", "shared library", fault.Usage},
		{"a folder", []string{dir}, "not a file", "shared library", fault.Usage},
		{"a text", []string{text}, "libtext.so", "RegisterCustomOps", fault.Usage},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := cpu.Open(t.Context(), enginetest.Twice(), engine.Config{Threads: 1, CustomOps: test.ops})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || !strings.Contains(fault.HintOf(err), test.hint) || fault.KindOf(err) != test.kind {
				t.Errorf("got %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}
