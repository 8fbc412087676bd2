package token

import (
	"encoding/json"

	"golang.org/x/text/unicode/norm"

	"infer/internal/fault"
)

// maxNesting bounds sequences of sequences in a file.
const maxNesting = 8

func parseNormalizer(raw json.RawMessage) (func(string) string, error) { return nestNormalizer(raw, 0) }

func nestNormalizer(raw json.RawMessage, depth int) (func(string) string, error) {
	p, ok, err := parsePart(raw)
	if err != nil || !ok {
		return nil, err
	}
	switch p.Type {
	case "BertNormalizer":
		strip := p.Lower
		if p.Strip != nil {
			strip = *p.Strip
		}
		return Bert{Clean: p.Clean, Chinese: p.Chinese, Strip: strip, Lower: p.Lower}.normalize, nil
	case "Lowercase":
		return lower, nil
	case "StripAccents":
		return stripAccents, nil
	case "NFC":
		return norm.NFC.String, nil
	case "NFD":
		return norm.NFD.String, nil
	case "NFKC":
		return norm.NFKC.String, nil
	case "NFKD":
		return norm.NFKD.String, nil
	case "Strip":
		return func(s string) string {
			if p.Left {
				s = trimLeft(s)
			}
			if p.Right {
				s = trimRight(s)
			}
			return s
		}, nil
	case "Sequence":
		return nestNormalizers(p.Normalizers, depth+1)
	}
	return nil, unsupported("the normalizer", p.Type)
}

func nestNormalizers(list []json.RawMessage, depth int) (func(string) string, error) {
	if depth > maxNesting {
		return nil, fault.New(fault.Usage, "", "normalizers are nested more than %d deep", maxNesting)
	}
	var steps []func(string) string
	for _, raw := range list {
		f, err := nestNormalizer(raw, depth)
		if err != nil {
			return nil, err
		}
		if f != nil {
			steps = append(steps, f)
		}
	}
	return func(s string) string {
		for _, f := range steps {
			s = f(s)
		}
		return s
	}, nil
}

// parseSplit reads the pre-tokenizer; bytewise reports whether words are to be taken as bytes.
func parseSplit(raw json.RawMessage) (split splitter, bytewise bool, err error) {
	return nestSplit(raw, 0)
}

func nestSplit(raw json.RawMessage, depth int) (split splitter, bytewise bool, err error) {
	p, ok, err := parsePart(raw)
	if err != nil {
		return nil, false, err
	}
	if !ok {
		return splitNot, false, nil
	}
	switch p.Type {
	case "BertPreTokenizer":
		return splitBert, false, nil
	case "Whitespace":
		return splitWords, false, nil
	case "WhitespaceSplit":
		return splitSpace, false, nil
	case "ByteLevel":
		split = splitGPT2
		if p.Regex != nil && !*p.Regex {
			split = splitNot
		}
		if p.Blank {
			split = prefixSpace(split)
		}
		return split, true, nil
	case "Sequence":
		return nestSplits(p.Pretokens, depth+1)
	}
	return nil, false, unsupported("the pre-tokenizer", p.Type)
}

func nestSplits(list []json.RawMessage, depth int) (split splitter, bytewise bool, err error) {
	if depth > maxNesting {
		return nil, false, fault.New(fault.Usage, "", "pre-tokenizers are nested more than %d deep", maxNesting)
	}
	split = splitNot
	for _, raw := range list {
		if bytewise {
			return nil, false, unsupported("the pre-tokenizer", "ByteLevel with another one behind it")
		}
		next, isBytes, err := nestSplit(raw, depth)
		if err != nil {
			return nil, false, err
		}
		split, bytewise = inTurn(split, next), isBytes
	}
	return split, bytewise, nil
}

// splitNot yields the text whole.
func splitNot(text string, yield func(string)) { yield(text) }

// parseFrame reads which ids stand around one text.
func (t *Tokenizer) parseFrame(raw json.RawMessage) error { return t.nestFrame(raw, 0) }

func (t *Tokenizer) nestFrame(raw json.RawMessage, depth int) (err error) {
	p, ok, err := parsePart(raw)
	if err != nil || !ok {
		return err
	}
	switch p.Type {
	case "ByteLevel": // moves offsets alone
		return nil
	case "BertProcessing", "RobertaProcessing":
		if t.prefix, err = frameID(p.Class); err != nil {
			return err
		}
		t.suffix, err = frameID(p.Separator)
		return err
	case "TemplateProcessing":
		return t.setTemplate(p)
	case "Sequence":
		if depth >= maxNesting {
			return fault.New(fault.Usage, "", "post-processors are nested more than %d deep", maxNesting)
		}
		for _, inner := range p.Processors {
			if err := t.nestFrame(inner, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return unsupported("the post-processor", p.Type)
}

// setTemplate takes the pieces before and behind the text.
func (t *Tokenizer) setTemplate(p part) error {
	side, seen := &t.prefix, false
	*side = nil
	for _, piece := range p.Single {
		switch {
		case piece.Sequence != nil && !seen:
			side, seen = &t.suffix, true
			*side = nil
		case piece.Token != nil:
			special, ok := p.Special[piece.Token.ID]
			if !ok {
				return fault.New(fault.Usage, "", "the template names %.40q, which is no special token of it", piece.Token.ID)
			}
			*side = append(*side, special.IDs...)
		default:
			return unsupported("the post-processor", "TemplateProcessing with a text twice")
		}
	}
	if !seen {
		return fault.New(fault.Usage, "", "the template has no place for the text")
	}
	return nil
}
