package cmd

import (
	"testing"

	"infer/internal/fault"
	"infer/internal/term"
)

// TestCheckEnviron: a misspelt variable of a command is an error as a misspelt key of the file is; what others set is not.
func TestCheckEnviron(t *testing.T) {
	for _, c := range []struct {
		name, entry string
		hint        string // "": no error
	}{
		{"a misspelt flag", "INFER_SERVE_SLLO=5ms", "did you mean INFER_SERVE_SLO?"},
		{"nothing like a flag", "INFER_PROFILE_WHATEVER=1", "see 'infer profile --help' for the flags"},
		{"a flag", "INFER_SERVE_MAX_BATCH=8", ""},
		{"a flag that all have", "INFER_SERVE_LOG_LEVEL=debug", ""},
		{"a flag of a command below", "INFER_RUNTIME_FLAVOR=cpu", ""},
		{"empty", "INFER_SERVE_SLLO=", ""},
		{"known", "INFER_OFFLINE=1", ""},
		{"of the tests", "INFER_TEST_LOAD=1", ""},
		{"no command", "INFER_MYTHING_X=1", ""},
		{"a service of Kubernetes", "INFER_SERVE_SERVICE_HOST=10.0.0.1", ""},
		{"its named port", "INFER_SERVE_SERVICE_PORT_HTTP=8000", ""},
		{"its link", "INFER_SERVE_PORT=tcp://10.0.0.1:8000", ""},
		{"a part of its link", "INFER_SERVE_PORT_8000_TCP_ADDR=10.0.0.1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			std := term.Streams{Environ: func() []string { return []string{"PATH=/bin", c.entry} }}
			err := (&config{std: std}).checkEnviron(newRoot(&app{std: std}))
			if c.hint == "" && err != nil || c.hint != "" && (fault.KindOf(err) != fault.Usage || fault.HintOf(err) != c.hint) {
				t.Errorf("%v (%s), want %q", err, fault.HintOf(err), c.hint)
			}
		})
	}
}
