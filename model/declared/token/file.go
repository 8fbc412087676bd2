package token

import (
	"bytes"
	"encoding/json"
	"fmt"

	"infer/internal/fault"
)

// file is tokenizer.json as the Python package tokenizers writes it. Truncation and padding are left to the caller.
type file struct {
	Added      []addedToken    `json:"added_tokens"`
	Normalizer json.RawMessage `json:"normalizer"`
	Split      json.RawMessage `json:"pre_tokenizer"`
	Frame      json.RawMessage `json:"post_processor"`
	Padding    *struct {
		ID int64 `json:"pad_id"`
	} `json:"padding"`
	Model fileModel `json:"model"`
}

type addedToken struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Left       bool   `json:"lstrip"`
	Right      bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
}

type fileModel struct {
	Type         string           `json:"type"`
	Vocab        json.RawMessage  `json:"vocab"`
	Merges       json.RawMessage  `json:"merges"`
	Unknown      *string          `json:"unk_token"`
	Prefix       *string          `json:"continuing_subword_prefix"`
	Suffix       *string          `json:"end_of_word_suffix"`
	LongestWord  int              `json:"max_input_chars_per_word"`
	Dropout      *float64         `json:"dropout"`
	ByteFallback bool             `json:"byte_fallback"`
	Whole        bool             `json:"ignore_merges"`
	vocab        map[string]int64 // of Vocab
}

// Parse reads a tokenizer.json. What it holds beyond WordPiece, byte-level BPE and whole words is a fault.Unsupported
// error that names it.
func Parse(data []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fault.New(fault.Usage, "give a tokenizer.json as the package tokenizers writes it", "%w", err)
	}
	t := &Tokenizer{raw: added{}, normalized: added{}}
	var err error
	if t.normalize, err = parseNormalizer(f.Normalizer); err != nil {
		return nil, err
	}
	var bytewise bool
	if t.split, bytewise, err = parseSplit(f.Split); err != nil {
		return nil, err
	}
	if t.model, err = f.Model.build(bytewise); err != nil {
		return nil, err
	}
	if err := t.parseFrame(f.Frame); err != nil {
		return nil, err
	}
	return t, t.setAdded(f)
}

// setAdded takes the added tokens, and the id to fill up with: the file's, or that of the token called so.
func (t *Tokenizer) setAdded(f file) error {
	for _, a := range f.Added {
		if a.SingleWord {
			return unsupported("the added token", a.Content+" (single_word)")
		}
		token := Added{Content: a.Content, ID: a.ID, Left: a.Left, Right: a.Right}
		if a.Normalized {
			if t.normalize != nil {
				token.Content = t.normalize(a.Content)
			}
			t.normalized.add(token)
		} else {
			t.raw.add(token)
		}
	}
	if f.Padding != nil {
		t.pad = f.Padding.ID
		return nil
	}
	for _, name := range []string{"[PAD]", "<pad>"} {
		if id, ok := f.Model.vocab[name]; ok {
			t.pad = id
			return nil
		}
	}
	return nil
}

func (m *fileModel) build(bytewise bool) (model, error) {
	switch m.Type {
	case "WordPiece", "BPE", "WordLevel":
	default:
		return nil, unsupported("the model", m.Type)
	}
	if err := json.Unmarshal(m.Vocab, &m.vocab); err != nil {
		return nil, fault.New(fault.Usage, "", "the vocabulary: %w", err)
	}
	if m.Type == "BPE" {
		return m.buildBytePair(bytewise)
	}
	if m.Unknown == nil {
		return nil, fault.New(fault.Usage, "", "the %s model has no unk_token", m.Type)
	}
	unknown, err := lookUp(m.vocab, "unknown", *m.Unknown)
	if err != nil {
		return nil, err
	}
	if m.Type == "WordLevel" {
		return words{m.vocab, unknown}, nil
	}
	prefix := ""
	if m.Prefix != nil {
		prefix = *m.Prefix
	}
	return newWordPiece(m.vocab, unknown, prefix, m.LongestWord), nil
}

func (m *fileModel) buildBytePair(bytewise bool) (model, error) {
	switch {
	case !bytewise:
		return nil, unsupported("the model", "BPE without the ByteLevel pre-tokenizer")
	case m.Dropout != nil && *m.Dropout > 0:
		return nil, unsupported("the model", "BPE with dropout")
	case m.Prefix != nil && *m.Prefix != "", m.Suffix != nil && *m.Suffix != "":
		return nil, unsupported("the model", "BPE with a prefix or suffix of its parts")
	case m.ByteFallback:
		return nil, unsupported("the model", "BPE with byte_fallback")
	}
	merges, err := parseMergeList(m.Merges)
	if err != nil {
		return nil, err
	}
	unknown := ""
	if m.Unknown != nil {
		unknown = *m.Unknown
	}
	b, err := newBytePair(m.vocab, merges, unknown)
	if err != nil {
		return nil, err
	}
	if m.Whole {
		b.whole = m.vocab
	}
	return b, nil
}

// parseMergeList reads merges as the pairs of newer files or the lines of older ones.
func parseMergeList(raw json.RawMessage) ([][2]string, error) {
	var pairs [][2]string
	if err := json.Unmarshal(raw, &pairs); err == nil {
		return pairs, nil
	}
	var lines []string
	if err := json.Unmarshal(raw, &lines); err != nil {
		return nil, fault.New(fault.Usage, "", "the merges: %w", err)
	}
	for i, line := range lines {
		pair, err := parsePair(line)
		if err != nil {
			return nil, fault.New(fault.Usage, "", "merge %d: %w", i, err)
		}
		pairs = append(pairs, pair)
	}
	return pairs, nil
}

func unsupported(what, name string) error {
	return fault.New(fault.Unsupported, "WordPiece, byte-level BPE and whole words are", "%s %.60s is not supported", what, name)
}

// part is a component of the file: a normalizer, a pre-tokenizer or a post-processor.
type part struct {
	Type string `json:"type"`

	Normalizers []json.RawMessage `json:"normalizers"`
	Pretokens   []json.RawMessage `json:"pretokenizers"`
	Processors  []json.RawMessage `json:"processors"`

	Clean   bool  `json:"clean_text"`
	Chinese bool  `json:"handle_chinese_chars"`
	Strip   *bool `json:"strip_accents"`
	Lower   bool  `json:"lowercase"`
	Left    bool  `json:"strip_left"`
	Right   bool  `json:"strip_right"`

	Blank bool  `json:"add_prefix_space"`
	Regex *bool `json:"use_regex"`

	Separator []any           `json:"sep"`
	Class     []any           `json:"cls"`
	Single    []templatePiece `json:"single"`
	Special   map[string]struct {
		IDs []int64 `json:"ids"`
	} `json:"special_tokens"`
}

type templatePiece struct {
	Token *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID string `json:"id"`
	} `json:"Sequence"`
}

// parsePart reads a component; ok is false for null.
func parsePart(raw json.RawMessage) (p part, ok bool, err error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return p, false, nil
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, false, fault.New(fault.Usage, "", "a component: %w", err)
	}
	return p, true, nil
}

// frameID reads the pair ["[SEP]", 3].
func frameID(pair []any) ([]int64, error) {
	if len(pair) == 2 {
		if id, ok := pair[1].(float64); ok && id == float64(int64(id)) {
			return []int64{int64(id)}, nil
		}
	}
	return nil, fault.New(fault.Usage, "", "%s is no pair of a token and its id", fmt.Sprint(pair))
}
