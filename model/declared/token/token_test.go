package token

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// cases are texts with the ids that the Python package tokenizers gives them; testdata/make_tokenizers.py made them.
type cases struct {
	Texts []string
	IDs   map[string][][]int64
}

func readCases(t testing.TB) (c cases) {
	t.Helper()
	if err := json.Unmarshal(read(t, "cases.json"), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseEqualsReference(t *testing.T) {
	c := readCases(t)
	for name, want := range c.IDs {
		tok, err := Parse(read(t, name+".json"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		differ(t, name, tok, c.Texts, want)
	}
}

func differ(t *testing.T, name string, tok *Tokenizer, texts []string, want [][]int64) {
	t.Helper()
	wrong := 0
	for i, text := range texts {
		if got := tok.Encode(text, 0); !slices.Equal(got, want[i]) {
			if wrong++; wrong <= 5 {
				t.Errorf("%s: %q: %v, want %v", name, text, got, want[i])
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d of %d texts differ", name, wrong, len(texts))
	}
}
