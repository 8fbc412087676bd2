package enginetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
)

// threeOutputs is sum = a+b, diff = a-b, product = a*b over [n, 2].
func threeOutputs() *model.Model {
	n := []any{"n", 2}
	return Build(Values(Value("a", tensor.Float32, n...), Value("b", tensor.Float32, n...)),
		Values(Value("sum", tensor.Float32, n...), Value("diff", tensor.Float32, n...), Value("product", tensor.Float32, n...)),
		[]*onnx.Node{
			Node("Add", Names("a", "b"), Names("sum")),
			Node("Sub", Names("a", "b"), Names("diff")),
			Node("Mul", Names("a", "b"), Names("product")),
		})
}

var pair = tensor.Shape{1, 2}

// chosenOutputs asks for a subset, in another order, by name and by position, allocated and in place.
func (c suite) chosenOutputs(t *testing.T) {
	s := c.open(t, threeOutputs())
	in := []tensor.Tensor{Floats("", pair, 5, 7), Floats("", pair, 2, 3)}
	sum, diff, product := Floats("", pair, 7, 10), Floats("", pair, 3, 4), Floats("", pair, 10, 21)
	for _, test := range []struct {
		name string
		out  []tensor.Tensor
		want []tensor.Tensor
	}{
		{"first by position", []tensor.Tensor{{}}, []tensor.Tensor{sum}},
		{"last by name", []tensor.Tensor{{Name: "product"}}, []tensor.Tensor{product}},
		{"other order", []tensor.Tensor{{Name: "product"}, {Name: "sum"}}, []tensor.Tensor{product, sum}},
		{"all by position", make([]tensor.Tensor, 3), []tensor.Tensor{sum, diff, product}},
		{"in place beside allocated", []tensor.Tensor{Floats("diff", pair, 0, 0), {Name: "sum"}}, []tensor.Tensor{diff, sum}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := s.Run(t.Context(), in, test.out); err != nil {
				t.Fatal(err)
			}
			for i := range test.want {
				same(t, test.out[i], test.want[i])
			}
		})
	}
}

// received gives zero outputs with memory: what fits lies in it, what does not is allocated, and a subset by name works
// likewise.
func (c suite) received(t *testing.T) {
	s := c.open(t, threeOutputs())
	memory := tensor.Tensor{Shape: make(tensor.Shape, 0, 2), Data: make([]byte, 0, 16)}
	at := func(x tensor.Tensor) *byte { return unsafe.SliceData(x.Data) }
	for _, rows := range []int64{1, 2, 3, 1} {
		shape := tensor.Shape{rows, 2}
		v := make([]float32, 2*rows)
		for i := range v {
			v[i] = float32(i)
		}
		in := []tensor.Tensor{Floats("", shape, v...), Floats("", shape, v...)}
		out := []tensor.Tensor{memory}
		out[0].Name = "diff"
		if err := s.Run(t.Context(), in, out); err != nil {
			t.Fatal(err)
		}
		same(t, out[0], Floats("", shape, make([]float32, 2*rows)...))
		if fits := rows < 3; (at(out[0]) == at(memory)) != fits {
			t.Errorf("%d rows: in the memory given: %v", rows, !fits)
		}
	}
	words := c.open(t, Identity(tensor.String, "n"))
	in := []tensor.Tensor{{DType: tensor.String, Shape: tensor.Shape{2}, Strings: []string{"a", "bc"}}}
	out := []tensor.Tensor{{Strings: make([]string, 0, 2)}}
	given := unsafe.SliceData(out[0].Strings)
	if err := words.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	same(t, out[0], in[0])
	if unsafe.SliceData(out[0].Strings) != given {
		t.Error("strings are not in the memory given")
	}
}

// inputsByName gives inputs in another order than the graph's.
func (c suite) inputsByName(t *testing.T) {
	s := c.open(t, threeOutputs())
	out := []tensor.Tensor{{Name: "diff"}}
	in := []tensor.Tensor{Floats("b", pair, 2, 3), Floats("a", pair, 5, 7)}
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	same(t, out[0], Floats("", pair, 3, 4))
}

// refused gives what does not fit: usage errors that name the tensor, after which the session still works.
func (c suite) refused(t *testing.T) {
	s := c.open(t, threeOutputs())
	a, b := Floats("", pair, 5, 7), Floats("", pair, 2, 3)
	short := Floats("", pair, 5, 7)
	short.Data = short.Data[:4]
	one := []tensor.Tensor{{}}
	for _, test := range []struct {
		name    string
		in, out []tensor.Tensor
		want    string // in the message
	}{
		{"input missing", []tensor.Tensor{a}, one, `input "b" is missing`},
		{"input too many", []tensor.Tensor{a, b, a}, one, "3 inputs given, the model has 2"},
		{"input unknown", []tensor.Tensor{a, Floats("c", pair, 1, 1)}, one, `no input "c"`},
		{"input twice", []tensor.Tensor{a, Floats("a", pair, 1, 1)}, one, `"a" is given twice`},
		{"input dtype", []tensor.Tensor{a, Int64s("", pair, 1, 1)}, one, "got int64 of shape 1x2, the model has float32 of shape nx2"},
		{"input dimension", []tensor.Tensor{a, Floats("", tensor.Shape{1, 3}, 1, 1, 1)}, one, "1x3"},
		{"input rank", []tensor.Tensor{a, Floats("", nil, 1, 1)}, one, "got float32 of shape 2"},
		{"input data", []tensor.Tensor{a, short}, one, "4 bytes"},
		{"input empty", []tensor.Tensor{a, {}}, one, `input "b" has no value`},
		{"no output", []tensor.Tensor{a, b}, nil, "no output"},
		{"output unknown", []tensor.Tensor{a, b}, []tensor.Tensor{{Name: "quotient"}}, `no output "quotient"`},
		{"output twice", []tensor.Tensor{a, b}, []tensor.Tensor{{}, {Name: "sum"}}, "twice"},
		{"output dtype", []tensor.Tensor{a, b}, []tensor.Tensor{Int64s("", pair, 0, 0)}, `output "sum"`},
		{"output batch", []tensor.Tensor{a, b}, []tensor.Tensor{Floats("", tensor.Shape{2, 2}, 0, 0, 0, 0)}, "2x2"},
		{"output data", []tensor.Tensor{a, b}, []tensor.Tensor{short}, "4 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := s.Run(t.Context(), test.in, test.out)
			wantKind(t, err, fault.Usage)
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("message %q does not say %q in one line", err, test.want)
			}
		})
	}
	err := s.Run(t.Context(), []tensor.Tensor{Floats("", tensor.Shape{2, 2}, 1, 2, 3, 4), Floats("", tensor.Shape{3, 2}, 1, 2, 3, 4, 5, 6)}, one)
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("2 rows + 3 rows: got %v, want an error of one line", err)
	}
	same(t, runs(t, s, a, b)[0], Floats("", pair, 7, 10))
}

// constantOutput asks in place for an output that is a constant, with a shape that is not its own.
func (c suite) constantOutput(t *testing.T) {
	k := Initializer(Floats("k", nil, 1, 2, 3, 4))
	for _, dim := range []any{4, "n"} {
		s := c.open(t, Build(Values(Value("x", tensor.Float32, 4)), Values(Value("y", tensor.Float32, dim), Value("z", tensor.Float32, 4)),
			[]*onnx.Node{Node("Add", Names("k", "k"), Names("y")), Node("Add", Names("x", "k"), Names("z"))}, k))
		x := Floats("", nil, 1, 1, 1, 1)
		same(t, runs(t, s, x)[0], Floats("", nil, 2, 4, 6, 8))
		for _, n := range []int64{1, 3, 5, 100_000} {
			y, err := tensor.New("y", tensor.Float32, tensor.Shape{n})
			if err != nil {
				t.Fatal(err)
			}
			wantKind(t, s.Run(t.Context(), []tensor.Tensor{x}, []tensor.Tensor{y}), fault.Usage)
		}
	}
}

// unaligned gives and takes data that start at an odd address.
func (c suite) unaligned(t *testing.T) {
	s := c.open(t, Identity(tensor.Float64, 3))
	x := sample(t, tensor.Float64, tensor.Shape{3})
	odd := x
	odd.Data = append(make([]byte, 1), x.Data...)[1:]
	y, _ := tensor.New("", tensor.Float64, tensor.Shape{3})
	y.Data = make([]byte, 25)[1:]
	if err := s.Run(t.Context(), []tensor.Tensor{odd}, []tensor.Tensor{y}); err != nil {
		t.Fatal(err)
	}
	same(t, y, x)
}

// concurrent runs give each its own answer.
func (c suite) concurrent(t *testing.T) {
	s := c.open(t, threeOutputs())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				v, rows := float32(100*g+i), int64(i%3+1)
				shape := tensor.Shape{rows, 2}
				values := make([]float32, 2*rows)
				doubled := make([]float32, 2*rows)
				for k := range values {
					values[k], doubled[k] = v, 2*v
				}
				x := Floats("", shape, values...)
				out := make([]tensor.Tensor, 1)
				if err := s.Run(t.Context(), []tensor.Tensor{x, x}, out); err != nil {
					t.Errorf("run: %v", err)
					return
				}
				if want := Floats("", shape, doubled...); string(out[0].Data) != string(want.Data) || !out[0].Shape.Equal(shape) {
					t.Errorf("goroutine %d run %d: wrong sum", g, i)
					return
				}
			}
		})
	}
	wg.Wait()
}

var (
	forever = Int64s("n", tensor.Shape{}, 1<<40)
	thrice  = Int64s("n", tensor.Shape{}, 3)
	two     = Floats("x", tensor.Shape{}, 2)
)

// cancel ends a run that would take days, by cancelling and by a deadline, and runs the session again afterwards.
func (c suite) cancel(t *testing.T) {
	s := c.open(t, Endless())
	before, done := context.WithCancel(t.Context())
	done()
	if err := s.Run(before, []tensor.Tensor{thrice, two}, make([]tensor.Tensor, 1)); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled before: got %v", err)
	}
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Millisecond, cancel)
		if err := s.Run(ctx, []tensor.Tensor{forever, two}, make([]tensor.Tensor, 1)); !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled: got %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond)
		if err := s.Run(ctx, []tensor.Tensor{forever, two}, make([]tensor.Tensor, 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("deadline: got %v", err)
		}
		cancel()
		same(t, runs(t, s, thrice, two)[0], Floats("", tensor.Shape{}, 256)) // ((2²)²)²
	}
}

// close closes twice, refuses to run afterwards, and waits for runs that it meets.
func (c suite) close(t *testing.T) {
	s := c.open(t, Endless())
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	ended := make(chan error)
	go func() {
		close(started)
		ended <- s.Run(ctx, []tensor.Tensor{forever, two}, make([]tensor.Tensor, 1))
	}()
	<-started
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	cancel()
	if err := <-ended; err == nil {
		t.Fatal("the run ended without an error")
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("second close: %v", err)
	}
	if err := s.Run(t.Context(), []tensor.Tensor{thrice, two}, make([]tensor.Tensor, 1)); err == nil {
		t.Fatal("run after close: no error")
	}
	if b, ok := s.(engine.Binder); ok {
		if _, err := b.Bind(t.Context(), []tensor.Tensor{thrice, two}); err == nil {
			t.Fatal("bind after close: no error")
		}
	}
}
