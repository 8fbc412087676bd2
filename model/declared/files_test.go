package declared

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"infer/internal/fault"
)

func TestFiles(t *testing.T) {
	for _, c := range []struct {
		name, declaration string
		want              []string
	}{
		{"names in the file", "image: {size: 28}\nlabels: {names: [a, b]}\n", nil},
		{"names in a file", "image: {size: 28}\nlabels: {names: names.txt}\n", []string{"names.txt"}},
		{"a vocabulary", "text: {tokenizer: bpe, vocab: v.json, merges: sub/m.txt}\n", []string{"v.json", "sub/m.txt"}},
		{"a tokenizer", "text: {tokenizer: tokenizer.json}\nlabels: {names: /names.json}\n", []string{"tokenizer.json", "/names.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "m.io.yaml")
			if err := os.WriteFile(path, []byte(c.declaration), 0o600); err != nil {
				t.Fatal(err)
			}
			want := []string{path}
			for _, w := range c.want {
				if !filepath.IsAbs(w) {
					w = filepath.Join(dir, filepath.FromSlash(w))
				}
				want = append(want, w)
			}
			got, err := Files(path)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("Files = %q, %v; want %q", got, err, want)
			}
			if err := os.WriteFile(path, []byte(c.declaration+"lables: {}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Files(path); fault.KindOf(err) != fault.Usage {
				t.Errorf("a misspelt key: %v", err)
			}
		})
	}
}
