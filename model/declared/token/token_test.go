package token

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
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

// The vocabularies alone, with what the declaration says in words, give the same ids as the whole files.
func TestNewEqualsReference(t *testing.T) {
	c := readCases(t)
	for _, name := range []string{"bert-uncased", "bert-cased"} {
		vocab, err := ParseVocab(read(t, name+".vocab.txt"))
		if err != nil {
			t.Fatal(err)
		}
		lower := name == "bert-uncased"
		tok, err := NewWordPiece(vocab, Bert{Clean: true, Chinese: true, Strip: lower, Lower: lower},
			Special{Unknown: "[UNK]", Start: "[CLS]", End: "[SEP]", Pad: "[PAD]"}, "[MASK]")
		if err != nil {
			t.Fatal(err)
		}
		differ(t, name, tok, c.Texts, c.IDs[name])
	}
	var f struct {
		Model struct {
			Vocab  map[string]int64
			Merges [][2]string
		}
	}
	if err := json.Unmarshal(read(t, "gpt2.json"), &f); err != nil {
		t.Fatal(err)
	}
	tok, err := NewBytePair(f.Model.Vocab, f.Model.Merges, false, Special{Pad: "<|endoftext|>"})
	if err != nil {
		t.Fatal(err)
	}
	differ(t, "gpt2", tok, c.Texts, c.IDs["gpt2"])
}

func TestMost(t *testing.T) {
	tok, err := Parse(read(t, "bert-uncased.json"))
	if err != nil {
		t.Fatal(err)
	}
	whole := tok.Encode("the quick brown fox", 0)
	for most := tok.Frame(); most < len(whole)+2; most++ {
		got := tok.Encode("the quick brown fox", most)
		want := whole
		if most < len(whole) {
			want = append(slices.Clone(whole[:most-1]), whole[len(whole)-1]) // [SEP] stays
		}
		if !slices.Equal(got, want) {
			t.Errorf("at most %d: %v, want %v", most, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	vocab := map[string]int64{"?": 0, "how": 1, "card": 2, "3": 3, "[CLS]": 4, "[": 5}
	tok, err := NewWords(vocab, regexp.MustCompile(`[a-z]+|[0-9]|\[`), true, Special{Unknown: "?", Start: "[CLS]"})
	if err != nil {
		t.Fatal(err)
	}
	// a word that reads like a special token is none, and what the pattern leaves out is left out
	if got, want := tok.Encode("HOW, card33 x [CLS]", 0), []int64{4, 1, 2, 3, 3, 0, 5, 0}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// What a file asks for and this package does not do is refused by name, never left out.
func TestParseRefuses(t *testing.T) {
	const model = `"model": {"type": "WordPiece", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]", "max_input_chars_per_word": 100}`
	for _, c := range []struct {
		name, file string
		kind       fault.Kind
		says       string
	}{
		{"no JSON", `{`, fault.Usage, "JSON"},
		{"no model", `{}`, fault.Unsupported, "the model"},
		{"unigram", `{"model": {"type": "Unigram", "vocab": []}}`, fault.Unsupported, "Unigram"},
		{"normalizer", `{"normalizer": {"type": "Precompiled"}, ` + model + `}`, fault.Unsupported, "the normalizer Precompiled"},
		{"inner normalizer", `{"normalizer": {"type": "Sequence", "normalizers": [{"type": "Nmt"}]}, ` + model + `}`, fault.Unsupported, "Nmt"},
		{"pre-tokenizer", `{"pre_tokenizer": {"type": "Metaspace"}, ` + model + `}`, fault.Unsupported, "Metaspace"},
		{"post-processor", `{"post_processor": {"type": "Other"}, ` + model + `}`, fault.Unsupported, "Other"},
		{"template", `{"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}}]}, ` + model + `}`, fault.Usage, "[CLS]"},
		{"single word", `{"added_tokens": [{"id": 1, "content": "x", "single_word": true}], ` + model + `}`, fault.Unsupported, "single_word"},
		{"unknown token", `{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "b"}}`, fault.Usage, `no unknown token "b"`},
		{"SentencePiece BPE", `{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}`, fault.Unsupported, "ByteLevel"},
		{"suffix", `{"pre_tokenizer": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "</w>"}}`, fault.Unsupported, "suffix"},
		{"foreign merge", `{"pre_tokenizer": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}`, fault.Usage, "merge 0"},
	} {
		_, err := Parse([]byte(c.file))
		if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// Words of any length take time in proportion: a quadratic merge of this one takes minutes.
func TestLongWord(t *testing.T) {
	tok, err := Parse(read(t, "gpt2.json"))
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode(strings.Repeat("the", 80_000), 0); len(ids) == 0 {
		t.Error("no ids")
	}
	if ids := tok.Encode(strings.Repeat("the ", 80_000), 16); len(ids) != 16 {
		t.Errorf("%d ids, want 16", len(ids))
	}
}

// FuzzEncode holds every text to ids of the vocabulary and to the limit.
func FuzzEncode(f *testing.F) {
	var all []*Tokenizer
	for _, name := range []string{"bert-uncased", "bert-cased", "gpt2", "roberta"} {
		tok, err := Parse(read(f, name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, tok)
	}
	for _, text := range readCases(f).Texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range all {
			for _, id := range tok.Encode(text, 0) {
				if id < 0 || id >= 800 {
					t.Fatalf("%q: id %d", text, id)
				}
			}
			if ids := tok.Encode(text, 5); len(ids) > 5 {
				t.Fatalf("%q: %d ids, at most 5", text, len(ids))
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Strip", "strip_left": true}]},
		"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Whitespace"}]},
		"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "x"}}], "special_tokens": {"x": {"ids": [1]}}},
		"added_tokens": [{"id": 7, "content": "é", "normalized": true, "lstrip": true, "rstrip": true}],
		"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 1, "##b": 2}, "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9}}`))
	f.Add([]byte(`{"pre_tokenizer": {"type": "ByteLevel", "use_regex": false}, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"], "ignore_merges": true}}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		tok, err := Parse(file)
		if err != nil {
			return
		}
		tok.Encode("ab é ab\u00a0x", 0)
		tok.Encode("", tok.Frame())
	})
}

func BenchmarkEncode(b *testing.B) {
	const text = "I still have not received my new card, I ordered over a week ago."
	for _, name := range []string{"bert-uncased", "gpt2"} {
		tok, err := Parse(read(b, name+".json"))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tok.Encode(text, 0)
			}
		})
	}
}
