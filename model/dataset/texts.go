package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/declared"
)

// openTexts reads the texts of a file: one a line (.txt), the column text of a table with a header (.csv, .tsv), or
// JSON lines that are strings or objects with a text. The label of a row is the column or member label or category.
// Files of arrays are left to others.
func (s *Set) openTexts(source string, st os.FileInfo, d *declared.IO) ([]sample, error) {
	read := s.readJSONTexts
	switch strings.ToLower(filepath.Ext(source)) {
	case ".txt":
		read = s.readTextLines
	case ".csv":
		read = func(r io.Reader, d *declared.IO) ([]sample, error) { return s.readTable(r, ',', d) }
	case ".tsv":
		read = func(r io.Reader, d *declared.IO) ([]sample, error) { return s.readTable(r, '\t', d) }
	case ".jsonl", ".ndjson", ".json":
	default:
		return nil, nil
	}
	if st.IsDir() {
		return nil, nil
	}
	f, err := os.Open(source)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "%w", pathCause(err))
	}
	defer f.Close()
	return read(f, d)
}

func (s *Set) readTextLines(r io.Reader, _ *declared.IO) ([]sample, error) {
	var samples []sample
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxLine)
	for scan.Scan() {
		if text := strings.TrimSpace(scan.Text()); text != "" {
			samples = append(samples, sample{text: text})
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fault.New(fault.Usage, "", "%w", err)
	}
	return samples, some(samples)
}

func some(samples []sample) error {
	if len(samples) == 0 {
		return fault.New(fault.Usage, "", "it has no texts")
	}
	return nil
}

// readTable reads the columns text and, where there is one, label or category.
func (s *Set) readTable(r io.Reader, comma rune, d *declared.IO) ([]sample, error) {
	table := csv.NewReader(r)
	table.Comma, table.ReuseRecord, table.LazyQuotes = comma, true, comma == '\t'
	header, err := table.Read()
	if err != nil {
		return nil, fault.New(fault.Usage, "begin it with text,label", "its header: %w", err)
	}
	text := slices.Index(header, "text")
	if text < 0 {
		return nil, fault.New(fault.Usage, "call a column text", "it has the columns %s", strings.Join(header, ", "))
	}
	label := slices.Index(header, "label")
	if label < 0 {
		label = slices.Index(header, "category")
	}
	var samples []sample
	for {
		row, err := table.Read()
		if errors.Is(err, io.EOF) {
			return samples, some(samples)
		}
		if err != nil {
			return nil, fault.New(fault.Usage, "", "%w", err)
		}
		samples = append(samples, sample{text: strings.Clone(row[text])})
		if label < 0 {
			continue
		}
		if err := s.addLabel(row[label], d); err != nil {
			line, _ := table.FieldPos(label)
			return nil, fault.Wrap(err, "line %d", line)
		}
	}
}

func (s *Set) addLabel(label string, d *declared.IO) error {
	class, err := classOf(label, d)
	s.labels = append(s.labels, class)
	return err
}

// readJSONTexts reads one text a line; none where the first line is no text: the file holds arrays then.
func (s *Set) readJSONTexts(r io.Reader, d *declared.IO) ([]sample, error) {
	var samples []sample
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxLine)
	for number := 1; scan.Scan(); number++ {
		line := bytes.TrimSpace(scan.Bytes())
		if len(line) == 0 {
			continue
		}
		text, label, ok := s.textOf(line)
		switch {
		case !ok && samples == nil:
			return nil, nil
		case !ok:
			return nil, fault.New(fault.Usage, `write a string or {"text": "…", "label": …} on every line`, "line %d has no text", number)
		}
		samples = append(samples, sample{text: text})
		if label == "" {
			continue
		}
		if err := s.addLabel(label, d); err != nil {
			return nil, fault.Wrap(err, "line %d", number)
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fault.New(fault.Usage, "", "%w", err)
	}
	if s.labels != nil && len(s.labels) != len(samples) {
		return nil, fault.New(fault.Usage, `give every line a "label", or none`, "%d of %d lines have no label", len(samples)-len(s.labels), len(samples))
	}
	return samples, nil
}

// textOf reads a line: a JSON string, or an object with a text and perhaps a label, a name or a class id.
func (s *Set) textOf(line []byte) (text, label string, ok bool) {
	if line[0] != '{' {
		err := json.Unmarshal(line, &text)
		return text, "", line[0] == '"' && err == nil
	}
	if _, isInput := s.nameOf("text"); isInput {
		return "", "", false
	}
	var object struct {
		Text     *string         `json:"text"`
		Label    json.RawMessage `json:"label"`
		Category json.RawMessage `json:"category"`
	}
	if json.Unmarshal(line, &object) != nil || object.Text == nil {
		return "", "", false
	}
	raw := object.Label
	if raw == nil {
		raw = object.Category
	}
	if json.Unmarshal(raw, &label) != nil {
		label = string(raw)
	}
	return *object.Text, label, true
}
