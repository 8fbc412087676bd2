package child

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

func TestLines(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	var got []string
	keep := func(s string) { got = append(got, s) }
	err := Lines(t.Context(), []string{"/bin/sh", "-c", `printf 'a b\n10%%\r20%%\r\n'; echo "$X" >&2; printf 'tail'; exit 3`}, []string{"X=from env"}, keep)
	if want := []string{"a b", "10%", "20%", "from env", "tail"}; !slices.Equal(got, want) {
		t.Errorf("lines are %q, not %q", got, want)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 3 {
		t.Errorf("error is %v, not exit status 3", err)
	}
	err = Lines(t.Context(), []string{"/no/such/program", "x"}, nil, keep)
	if fault.KindOf(err) != fault.Usage {
		t.Errorf("a program that is not there: %v", err)
	}
}

// TestLinesCancelled: what the program started ends with it, though it ignores that it is asked to.
func TestLinesCancelled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	begin := time.Now()
	err := Lines(ctx, []string{"/bin/sh", "-c", `trap '' TERM; echo on; sleep 60 & wait`}, nil, func(s string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(begin); took > 25*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

func TestLineWriterLong(t *testing.T) {
	var got []string
	w := &lineWriter{line: func(s string) { got = append(got, s) }}
	long := strings.Repeat("x", maxLine+10)
	for _, p := range []string{long, long, "\n", "y\xff\n\n"} {
		if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(p), err)
		}
	}
	if len(got) != 2 || len(got[0]) != maxLine || got[1] != "y?" {
		t.Errorf("%d lines, the first of %d bytes, the last %q", len(got), len(got[0]), got[len(got)-1])
	}
}
