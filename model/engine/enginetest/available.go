package enginetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/engine/ort"
	"infer/model/engine/ort/library"
	"infer/model/tensor"
)

// Named is a provider with the name that subtests go by.
type Named struct {
	Name     string
	Provider engine.Provider
}

// Runtime returns the ONNX Runtime of this machine, installed first where there is none, as the program does. It skips
// the test where there is none and INFER_OFFLINE forbids to install it.
func Runtime(t testing.TB) *ort.Runtime {
	t.Helper()
	o := library.OptionsFromEnv()
	l, err := library.Ensure(context.Background(), o)
	if err != nil && o.Offline {
		t.Skipf("no ONNX Runtime library, and INFER_OFFLINE forbids to install one: %v", err)
	}
	if err != nil {
		t.Fatalf("ONNX Runtime library: %v (%s)", err, fault.HintOf(err))
	}
	rt, err := ort.Load(ort.LoadOptions{Path: l.Path})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// CPU returns the provider that every machine has. It skips like Runtime.
func CPU(t testing.TB) engine.Provider {
	t.Helper()
	p, err := Runtime(t).Provider("cpu")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Available returns every provider that works on this machine, tried with a model of one node, and skips a subtest by
// the name of each one that the library has and that does not work.
func Available(t *testing.T) []Named {
	t.Helper()
	rt := Runtime(t)
	var usable []Named
	for _, name := range rt.Providers() {
		p, err := rt.Provider(name)
		if err == nil {
			err = try(p)
		}
		if err == nil {
			usable = append(usable, Named{Name: name, Provider: p})
			continue
		}
		if name == "cpu" {
			t.Fatalf("cpu: %v", err)
		}
		t.Run(name, func(t *testing.T) { t.Skipf("the %s provider does not work here: %v", name, err) })
	}
	return usable
}

func try(p engine.Provider) error {
	s, err := p.Open(context.Background(), Add(2), engine.Config{Threads: 1})
	if err != nil {
		return err
	}
	defer s.Close()
	one := Floats("", nil, 1, 2)
	return s.Run(context.Background(), []tensor.Tensor{one, one}, make([]tensor.Tensor, 1))
}

// littleEndian returns the bytes of a list of numbers as tensors hold them.
func littleEndian(v any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
		panic("enginetest: " + err.Error())
	}
	return b.Bytes()
}
