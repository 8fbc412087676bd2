package declared

import (
	"bytes"
	"encoding/json"
	"errors"

	"infer/internal/fault"
	"infer/model/tensor"
)

// Bounds of the texts of one body: without them a few bytes of JSON would claim the memory of many rows.
const (
	maxTexts = 1024
	maxIDs   = 1 << 20 // of all texts, each as long as the longest
)

// textForms is the hint of a JSON body that holds no text.
const textForms = `send {"text": "…"}, {"instances": ["…", "…"]}, or the text itself as text/plain`

// looksJSON reports whether a body without a telling content type is JSON and no sentence: what begins like an object,
// which no sentence does, and a string or list that is JSON from front to back.
func looksJSON(body []byte) bool {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return false
	}
	switch body[0] {
	case '{':
		inner := bytes.TrimSpace(body[1:])
		return len(inner) > 0 && (inner[0] == '"' || inner[0] == '}')
	case '"', '[':
		return json.Valid(body)
	}
	return false
}

// jsonTexts returns a JSON string, or the member "text", "instances" or "inputs" of an object. list is true where
// there may be several: under the last two, and where the first is an array.
func jsonTexts(body []byte) (texts [][]byte, list bool, err error) {
	var object struct {
		Text      *textList `json:"text"`
		Instances *textList `json:"instances"`
		Inputs    *textList `json:"inputs"`
	}
	if b := bytes.TrimSpace(body); len(b) == 0 || b[0] != '{' {
		if err = json.Unmarshal(body, &object.Text); err == nil && object.Text != nil && object.Text.many {
			object.Text = nil // a bare list: texts go under a name
		}
	} else {
		err = json.Unmarshal(body, &object)
	}
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return nil, false, err
	case err != nil:
		return nil, false, fault.New(fault.Usage, textForms, "the JSON body: %w", err)
	case object.Text != nil:
		return object.Text.texts, object.Text.many, nil
	case object.Instances != nil:
		return object.Instances.texts, true, nil
	case object.Inputs != nil:
		return object.Inputs.texts, true, nil
	}
	return nil, false, fault.New(fault.Usage, textForms, "the JSON body has no text")
}

// textList is a text, or an array of them; each a string, or an object with a member "text".
type textList struct {
	texts [][]byte
	many  bool
}

// UnmarshalJSON reads texts one by one, and no more than allowed.
func (l *textList) UnmarshalJSON(data []byte) error {
	*l = textList{}
	if data[0] == '{' { // {"text": …}, a text or several
		var named struct {
			Text json.RawMessage `json:"text"`
		}
		if err := json.Unmarshal(data, &named); err != nil {
			return err
		}
		if len(named.Text) == 0 || named.Text[0] == '{' {
			return fault.New(fault.Usage, textForms, "an object of the JSON body has no text")
		}
		data = named.Text
	}
	if data[0] != '[' {
		return l.add(data)
	}
	l.many = true
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return err
		}
		if err := l.add(one); err != nil {
			return fault.Wrap(err, "text %d", len(l.texts))
		}
	}
	if len(l.texts) == 0 {
		return fault.New(fault.Usage, textForms, "the list of texts is empty")
	}
	return nil
}

// add takes one text.
func (l *textList) add(data []byte) error {
	var text *string
	if data[0] == '{' {
		var named struct {
			Text *string `json:"text"`
		}
		if err := json.Unmarshal(data, &named); err != nil {
			return fault.New(fault.Usage, textForms, "%w", err)
		}
		text = named.Text
	} else if err := json.Unmarshal(data, &text); err != nil {
		return fault.New(fault.Usage, textForms, "it is no string, and the model takes texts")
	}
	switch {
	case text == nil:
		return fault.New(fault.Usage, textForms, "the JSON body has no text")
	case len(bytes.TrimSpace([]byte(*text))) == 0:
		return errBlank()
	case len(l.texts) >= maxTexts:
		return fault.New(fault.TooLarge, "send fewer at a time", "the body has more texts than the limit of %d", maxTexts)
	}
	l.texts = append(l.texts, []byte(*text))
	return nil
}

// EncodeBody is Encode for a body that may hold several texts: {"instances": ["…", …]}, {"inputs": ["…", …]},
// {"inputs": {"text": ["…", …]}} or {"text": ["…", …]}. They become the rows of the inputs. list is how many a body
// has that is written as a list, 0 for a body that is one image or one text.
func (x *IO) EncodeBody(body []byte, contentType string) (inputs []tensor.Tensor, list int, err error) {
	contents, isList, err := x.contents(body, contentType)
	if err != nil {
		return nil, 0, err
	}
	if len(contents) > 1 && !x.HasRowAxis() {
		return nil, 0, fault.New(fault.Usage, "send one at a time", "the body has %d texts, and the model takes one a run", len(contents))
	}
	rows, longest := make([][]tensor.Tensor, len(contents)), int64(0)
	for i, c := range contents {
		if rows[i], err = x.encode(c); err != nil {
			if isList {
				err = fault.Wrap(err, "text %d", i)
			}
			return nil, 0, err
		}
		if x.text != nil {
			shape := rows[i][0].Shape
			longest = max(longest, shape[len(shape)-1])
		}
		if longest*int64(len(contents)) > maxIDs && len(contents) > 1 {
			return nil, 0, fault.New(fault.TooLarge, "send fewer at a time", "%d texts as long as text %d are over the limit of %d ids", len(contents), i, maxIDs)
		}
	}
	if inputs, err = x.Join(rows...); err != nil || !isList {
		return inputs, 0, err
	}
	return inputs, len(contents), nil
}
