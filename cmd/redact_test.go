package cmd

import (
	"slices"
	"strings"
	"testing"
)

// TestRedacted: what a report keeps of a command line has no secrets in it.
func TestRedacted(t *testing.T) {
	got := redacted([]string{"loadtest", "http://me:hush@h/x", "-H", "Authorization: Bearer SECRET", "-HX-Api-Key: SECRET", "--header=Cookie: SECRET",
		"-H", "Content-Type: text/plain", "--metrics-url=http://a:hush@h/metrics", "--slo", "p99<20ms"})
	want := []string{"loadtest", "http://me:xxxxx@h/x", "-H", "Authorization: …", "-HX-Api-Key: …", "--header=Cookie: …",
		"-H", "Content-Type: text/plain", "--metrics-url=http://a:xxxxx@h/metrics", "--slo", "p99<20ms"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if text := strings.Join(got, " "); strings.Contains(text, "SECRET") || strings.Contains(text, "hush") {
		t.Error(text)
	}
}
