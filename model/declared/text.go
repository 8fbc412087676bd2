package declared

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"unicode/utf8"

	"infer/internal/fault"
	"infer/model"
	"infer/model/declared/token"
	"infer/model/onnx"
	"infer/model/tensor"
)

// maxText bounds a text, in bytes.
const maxText = 256 << 10

// textInput makes the inputs of a text: ids, and where the model takes them a mask and token types.
type textInput struct {
	tokens  *token.Tokenizer
	columns []textColumn // in the order of the model's inputs
	most    int          // ids of a row; 0: no limit
	least   int          // ids that a row is filled up to; 0: not at all
}

// textColumn is one input of a text.
type textColumn struct {
	name  string
	dtype tensor.DType
	batch bool // it has a batch axis
	role  textRole
}

type textRole int

const (
	idsRole   textRole = iota
	maskRole           // 1 for an id, 0 for filling
	typesRole          // 0: there is one sentence
)

func newTextInput(s textSpec, inputs []model.Port, dir string) (*textInput, error) {
	x := &textInput{most: s.MaxLength, least: s.PadTo}
	if err := x.setColumns(s, inputs); err != nil {
		return nil, err
	}
	var err error
	if x.tokens, err = newTokenizer(s, dir); err != nil {
		return nil, fault.Wrap(err, "text")
	}
	switch {
	case s.MaxLength < 0 || s.PadTo < 0:
		return nil, fault.New(fault.Usage, "give a number of ids", "text: max_length or pad_to is negative")
	case x.most > 0 && x.most <= x.tokens.Frame():
		return nil, fault.New(fault.Usage, "", "text.max_length is %d, and %d ids stand around a text", x.most, x.tokens.Frame())
	case x.most > 0 && x.least > x.most:
		return nil, fault.New(fault.Usage, "", "text.pad_to is %d and text.max_length %d", x.least, x.most)
	}
	return x, nil
}

// setColumns finds the inputs: those that the declaration names, else those called as BERT's are.
func (x *textInput) setColumns(s textSpec, inputs []model.Port) error {
	found := map[string]textRole{}
	for _, c := range []struct {
		key, name, usual string
		role             textRole
	}{
		{"text.ids", s.IDs, "input_ids", idsRole},
		{"text.mask", s.Mask, "attention_mask", maskRole},
		{"text.types", s.Types, "token_type_ids", typesRole},
	} {
		name := c.name
		if name == "" {
			switch {
			case hasPort(inputs, c.usual):
				name = c.usual
			case c.role != idsRole:
				continue
			}
		}
		p, err := portNamed(c.key, name, inputs)
		if err != nil {
			return err
		}
		if _, twice := found[p.Name]; twice {
			return fault.New(fault.Usage, "", "%s: the input %q has another role already", c.key, p.Name)
		}
		found[p.Name] = c.role
	}
	for _, p := range inputs {
		role, ok := found[p.Name]
		if !ok {
			return fault.New(fault.Usage, "name it at ids:, mask: or types:, or give the model's inputs as arrays", "text: the input %q is not declared", p.Name)
		}
		if err := x.addColumn(p, role); err != nil {
			return err
		}
	}
	return nil
}

func hasPort(ports []model.Port, name string) bool {
	for _, p := range ports {
		if p.Name == name {
			return true
		}
	}
	return false
}

// addColumn takes an input of shape [batch, sequence] or [sequence]. A fixed sequence fixes the length of every row.
func (x *textInput) addColumn(p model.Port, role textRole) error {
	ty := p.Type
	if ty.Kind != onnx.KindTensor || !ty.HasShape || len(ty.Dims) != 1 && len(ty.Dims) != 2 ||
		!(ty.DType.IsInt() && ty.DType.Bits() >= 32 || role != idsRole && ty.DType.IsFloat()) {
		return fault.New(fault.Usage, "ids are int64 or int32 of shape [batch, sequence]", "text: input %q is %s", p.Name, dimsText(ty))
	}
	if d := ty.Dims[len(ty.Dims)-1]; d.Known {
		n := int(d.Size)
		if x.most > n || x.least != 0 && x.least != n {
			return fault.New(fault.Usage, "leave max_length: and pad_to: out", "text: max_length %d or pad_to %d does not fit input %q, which takes %d ids", x.most, x.least, p.Name, n)
		}
		if x.most == 0 {
			x.most = n
		}
		x.least = n
	}
	x.columns = append(x.columns, textColumn{name: p.Name, dtype: ty.DType, batch: len(ty.Dims) == 2, role: role})
	return nil
}

// newTokenizer makes what tokenizer: says.
func newTokenizer(s textSpec, dir string) (*token.Tokenizer, error) {
	kind := s.Tokenizer
	if filepath.Ext(kind) == ".json" {
		return fileTokenizer(s, dir)
	}
	kind, err := oneOf("tokenizer", kind, "wordpiece", "bpe", "words")
	if err != nil {
		return nil, fault.New(fault.Usage, "use wordpiece, bpe, words or the path of a tokenizer.json", "%w", err)
	}
	if err := s.refuse(kind); err != nil {
		return nil, err
	}
	vocab, err := readVocab(within(dir, s.Vocab))
	if err != nil {
		return nil, fault.Wrap(err, "vocab")
	}
	switch kind {
	case "bpe":
		data, err := readFile(within(dir, s.Merges), maxCompanion)
		if err != nil {
			return nil, fault.Wrap(err, "merges")
		}
		merges, err := token.ParseMerges(data)
		if err != nil {
			return nil, fault.Wrap(err, "merges %q", s.Merges)
		}
		return token.NewBytePair(vocab, merges, isTrue(s.Blank), s.special("", "", "", ""))
	case "words":
		pattern, err := regexp.Compile(s.Pattern)
		if err != nil {
			return nil, fault.New(fault.Usage, "patterns are Go's regular expressions (RE2)", "pattern: %w", err)
		}
		return token.NewWords(vocab, pattern, isTrue(s.Lower), s.special("[UNK]", "[CLS]", "[SEP]", "[PAD]"))
	}
	lower := s.Lower == nil || *s.Lower
	keep := !lower
	if s.Accents != nil {
		keep = *s.Accents
	}
	b := token.Bert{Clean: true, Chinese: true, Strip: !keep, Lower: lower}
	return token.NewWordPiece(vocab, b, s.special("[UNK]", "[CLS]", "[SEP]", "[PAD]"), "[MASK]")
}

// fileTokenizer reads a tokenizer.json, which says everything but the lengths and the inputs.
func fileTokenizer(s textSpec, dir string) (*token.Tokenizer, error) {
	if err := s.refuse("a tokenizer.json"); err != nil {
		return nil, err
	}
	data, err := readFile(within(dir, s.Tokenizer), maxCompanion)
	if err != nil {
		return nil, fault.Wrap(err, "tokenizer")
	}
	t, err := token.Parse(data)
	return t, fault.Wrap(err, "tokenizer %q", s.Tokenizer)
}

// refuse reports keys that a kind of tokenizer does not take, and those that it needs.
func (s textSpec) refuse(kind string) error {
	for _, k := range []struct {
		key   string
		given bool
		kinds []string
		needs bool
	}{
		{"vocab", s.Vocab != "", []string{"wordpiece", "bpe", "words"}, true},
		{"merges", s.Merges != "", []string{"bpe"}, true},
		{"pattern", s.Pattern != "", []string{"words"}, true},
		{"lower", s.Lower != nil, []string{"wordpiece", "words"}, false},
		{"accents", s.Accents != nil, []string{"wordpiece"}, false},
		{"prefix_space", s.Blank != nil, []string{"bpe"}, false},
		{"unknown", s.Unknown != nil, []string{"wordpiece", "bpe", "words"}, false},
		{"start", s.Start != nil, []string{"wordpiece", "bpe", "words"}, false},
		{"end", s.End != nil, []string{"wordpiece", "bpe", "words"}, false},
		{"pad", s.Pad != nil, []string{"wordpiece", "bpe", "words"}, false},
	} {
		takes := false
		for _, other := range k.kinds {
			takes = takes || other == kind
		}
		if k.given && !takes {
			return fault.New(fault.Usage, "leave it out", "%s: %s takes no such key", k.key, kind)
		}
		if !k.given && takes && k.needs {
			return fault.New(fault.Usage, "add it", "%s: needs %s:", kind, k.key)
		}
	}
	return nil
}

func (s textSpec) special(unknown, start, end, pad string) token.Special {
	return token.Special{
		Unknown: orElse(s.Unknown, unknown), Start: orElse(s.Start, start), End: orElse(s.End, end), Pad: orElse(s.Pad, pad),
	}
}

func orElse(given *string, otherwise string) string {
	if given != nil {
		return *given
	}
	return otherwise
}

func isTrue(b *bool) bool { return b != nil && *b }

// readVocab reads a vocabulary: one token a line, or a JSON object from token to id.
func readVocab(path string) (map[string]int64, error) {
	data, err := readFile(path, maxCompanion)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, fault.New(fault.Usage, "give one token a line, or a .json object from token to id", "%q is not UTF-8 text", path)
	}
	var vocab map[string]int64
	if filepath.Ext(path) == ".json" {
		err = json.Unmarshal(data, &vocab)
	} else {
		vocab, err = token.ParseVocab(data)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "give one token a line, or a .json object from token to id", "%q: %w", path, err)
	}
	return vocab, nil
}

// encode makes the inputs of one row. One line end at the end of the text is left out, as files have it.
func (x *textInput) encode(body []byte) ([]tensor.Tensor, error) {
	if len(body) > maxText {
		return nil, fault.New(fault.TooLarge, "send less text", "the text has %d bytes, over the limit of %d", len(body), maxText)
	}
	if !utf8.Valid(body) {
		return nil, fault.New(fault.Usage, "send the text in UTF-8", "the text is not UTF-8")
	}
	body = bytes.TrimSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("\r"))
	ids := x.tokens.Encode(string(body), x.most)
	return x.row(ids, max(len(ids), x.least))
}

// row makes the inputs of ids, filled up to a length.
func (x *textInput) row(ids []int64, length int) ([]tensor.Tensor, error) {
	out := make([]tensor.Tensor, len(x.columns))
	values := make([]int64, length)
	for i, c := range x.columns {
		for k := range values {
			values[k] = c.fill(x.tokens.Pad())
			if k < len(ids) {
				values[k] = c.value(ids[k])
			}
		}
		shape := tensor.Shape{1, int64(length)}
		if !c.batch {
			shape = shape[1:]
		}
		var err error
		if out[i], err = c.tensor(shape, values); err != nil {
			return nil, fault.Wrap(err, "input %q", c.name)
		}
	}
	return out, nil
}

// value is what the column has for an id.
func (c textColumn) value(id int64) int64 {
	switch c.role {
	case maskRole:
		return 1
	case typesRole:
		return 0
	}
	return id
}

// fill is what the column has behind the last id.
func (c textColumn) fill(pad int64) int64 {
	if c.role == idsRole {
		return pad
	}
	return 0
}

func (c textColumn) tensor(shape tensor.Shape, values []int64) (tensor.Tensor, error) {
	if !c.dtype.IsFloat() {
		return tensor.FromInts(c.name, c.dtype, shape, values)
	}
	t, err := tensor.New(c.name, c.dtype, shape)
	if err != nil {
		return t, err
	}
	floats := make([]float32, len(values))
	for i, v := range values {
		floats[i] = float32(v)
	}
	tensor.EncodeFloats(t.Data, c.dtype, floats)
	return t, nil
}

// widen fills rows up to the longest of them.
func (x *textInput) widen(rows [][]tensor.Tensor) ([][]tensor.Tensor, error) {
	most := int64(0)
	for _, row := range rows {
		most = max(most, row[0].Shape[len(row[0].Shape)-1])
	}
	out := make([][]tensor.Tensor, len(rows))
	for r, row := range rows {
		out[r] = make([]tensor.Tensor, len(row))
		for i, t := range row {
			have := t.Shape[len(t.Shape)-1]
			if have == most {
				out[r][i] = t
				continue
			}
			c := x.columns[i]
			values := make([]int64, most-have)
			for k := range values {
				values[k] = c.fill(x.tokens.Pad())
			}
			tail, err := c.tensor(tensor.Shape{1, most - have}, values)
			if err != nil {
				return nil, err
			}
			t.Shape = tensor.Shape{1, most}
			t.Data = append(append(make([]byte, 0, len(t.Data)+len(tail.Data)), t.Data...), tail.Data...)
			out[r][i] = t
		}
	}
	return out, nil
}
