package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
)

func TestKinds(t *testing.T) {
	plain := errors.New("disk broke")
	for _, c := range []struct {
		name         string
		err          error
		code, status int
		hint         string
	}{
		{"nil", nil, 0, http.StatusInternalServerError, ""},
		{"a plain error", plain, 1, http.StatusInternalServerError, ""},
		{"usage", New(Usage, "do this", "bad %d", 3), 2, http.StatusBadRequest, "do this"},
		{"unsupported", New(Unsupported, "", "no"), 1, http.StatusNotImplemented, ""},
		{"gate", New(Gate, "", "missed"), 3, http.StatusInternalServerError, ""},
		{"untrusted", New(Untrusted, "", "noisy"), 4, http.StatusInternalServerError, ""},
		{"not found", New(NotFound, "", "x"), 1, http.StatusNotFound, ""},
		{"too large", New(TooLarge, "", "x"), 1, http.StatusRequestEntityTooLarge, ""},
		{"media", New(Media, "", "x"), 1, http.StatusUnsupportedMediaType, ""},
		{"unauthorized", New(Unauthorized, "", "x"), 1, http.StatusUnauthorized, ""},
		{"denied", New(Denied, "", "x"), 1, http.StatusForbidden, ""},
		{"unavailable", New(Unavailable, "", "x"), 1, http.StatusServiceUnavailable, ""},
		{"deadline", New(Deadline, "", "x"), 1, http.StatusGatewayTimeout, ""},
		{"wrapped keeps kind and hint", Wrap(New(Usage, "h", "bad"), "open %q", "x"), 2, http.StatusBadRequest, "h"},
		{"an outer kind without a hint takes the inner hint", New(Internal, "", "outer: %w", New(Usage, "inner hint", "bad")), 1, http.StatusInternalServerError, "inner hint"},
		{"cancelled", fmt.Errorf("run: %w", context.Canceled), 130, http.StatusInternalServerError, ""},
		{"joined", errors.Join(New(Usage, "first", "a"), plain), 2, http.StatusBadRequest, "first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ExitCode(c.err); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
			if got := HTTPStatus(c.err); got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			if got := HintOf(c.err); got != c.hint {
				t.Errorf("hint %q, want %q", got, c.hint)
			}
		})
	}
	if Wrap(nil, "x") != nil {
		t.Error("Wrap of nil is an error")
	}
	if err := New(Internal, "", "read: %w", plain); !errors.Is(err, plain) {
		t.Error("New does not wrap")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"profile", "predict", "runs", "latency_p99", "warm-up"}
	for word, want := range map[string]string{
		"profil": "profile", "pridect": "predict", "rnus": "runs", "latency_p98": "latency_p99", "warmup": "warm-up",
		"RUNS": "runs", "LATENCY_P99": "latency_p99", "x": "", "nonsense": "", "": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
