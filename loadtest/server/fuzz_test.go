package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzAnswers: no answer of a server makes its readers panic, and what they take is within bounds.
func FuzzAnswers(f *testing.F) {
	for _, r := range []recorded{triton, kserve, mlserver, servable, torchServe} {
		for _, body := range r {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte) (Model, error){parseMetadata, parseSignature} {
			m, err := parse(body)
			if text := strange(body, err); !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("said of an answer: %q", text)
			}
			if err != nil {
				continue
			}
			seen := map[string]bool{}
			for _, p := range m.Inputs {
				if p.Name == "" && p.DType == 0 || seen[p.Name] || len(p.Shape) > 0 && slices.Min(p.Shape) < -1 {
					t.Errorf("input without name and dtype, there twice or with a negative axis: %+v", m)
				}
				seen[p.Name] = true
			}
		}
		if n := parseMaxBatch(body); n < NotTold {
			t.Errorf("batch of %d", n)
		}
		if s, err := parseStatistics(body); err == nil && s != nil {
			if c, ok := Delta(s, s); ok && (c.Requests != 0 || c.Queue != Untold || c.Batch != 0) {
				t.Errorf("from %+v to itself: %+v", s, c)
			}
		}
		parseNames(body)
		if line := oneLine(message(body)); len(line) > 200 {
			t.Errorf("a line of %d bytes", len(line))
		}
	})
}

// FuzzScrape: no metrics make the reader panic.
func FuzzScrape(f *testing.F) {
	files, err := filepath.Glob("testdata/*.metrics")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte("process_cpu_seconds_total 1e308\nnv_inference_request_success{model=\"add\"} -1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, model := range []string{"add", "affine", ""} {
			s, err := parseScrape(body, model)
			if err != nil {
				continue
			}
			if model == "" && s.Named {
				t.Error("a model without a name is named")
			}
			s.Until(s)
		}
	})
}
