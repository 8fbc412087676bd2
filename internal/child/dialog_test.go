package child

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

// converse starts this test program in a role.
func converse(t *testing.T, ctx context.Context, what string, line func(string)) *Dialog {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := Converse(ctx, []string{exe}, []string{role + "=" + what}, line)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// all keeps the answers up to the one that is "end".
func all(to *[]string) func([]byte) (bool, error) {
	return func(answer []byte) (bool, error) {
		var s string
		if err := json.Unmarshal(answer, &s); err != nil {
			return true, err
		}
		*to = append(*to, s)
		return s == "end", nil
	}
}

// TestDialog: one process answers several requests, and what it says besides is heard.
func TestDialog(t *testing.T) {
	var heard []string
	d := converse(t, t.Context(), "talks", func(line string) { heard = append(heard, line) })
	for _, word := range []string{"a", "b\nc"} {
		var got []string
		if err := d.Ask(t.Context(), word, all(&got)); err != nil || strings.Join(got, "|") != word+"|end" {
			t.Errorf("%q, %v", got, err)
		}
	}
	stop := errors.New("enough")
	if err := d.Ask(t.Context(), "x", func([]byte) (bool, error) { return false, stop }); err != stop {
		t.Error(err)
	}
	d.Close()
	if len(heard) < 3 || heard[0] != "heard 1" || heard[len(heard)-1] != "half a line" {
		t.Errorf("%q", heard)
	}
	if !gone(d.p.cmd.Process.Pid) {
		t.Error("it outlives Close")
	}
}

// TestDialogEnds: what ends, or is ended, before it answers is an error.
func TestDialogEnds(t *testing.T) {
	var none []string
	d := converse(t, t.Context(), "fails", func(string) {})
	if err := d.Ask(t.Context(), 1, func([]byte) (bool, error) { return false, nil }); err == nil || !strings.Contains(err.Error(), "exit status 7: no such model") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	d = converse(t, ctx, "sleeps", func(string) {})
	if err := d.Ask(ctx, 1, all(&none)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Converse(t.Context(), []string{"no-such-program-of-infer"}, nil, func(string) {}); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}
