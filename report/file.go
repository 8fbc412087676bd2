package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"infer/internal/fault"
)

// Limits on what Read accepts: a report is a summary, and what is larger or deeper is something else.
const (
	MaxBytes = 64 << 20
	MaxDepth = 100
)

// embedOpen starts the copy of the document that an HTML page of report/render carries.
const (
	embedOpen  = `<script type="application/json" id="infer-report">`
	embedClose = `</script>`
)

// EmbedHTML returns the script element that carries d inside an HTML page, from which Read takes it back.
func EmbedHTML(d *Document) ([]byte, error) {
	raw, err := marshal(d)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBufferString(embedOpen)
	json.HTMLEscape(b, escapeInvisible(raw)) // no "<" is left, so nothing in the document can end the element
	b.WriteString(embedClose)
	return b.Bytes(), nil
}

// ReadFile reads the document in a file: JSON, or an HTML page written by this program. "-" is not special.
func ReadFile(path string) (*Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "read report: %w", err)
	}
	defer f.Close()
	d, err := Read(f)
	return d, fault.Wrap(err, "read report %q", path)
}

// Read reads one document: JSON, or an HTML page written by this program.
// Top-level fields that it does not know are kept in Extra. What is not a document of this schema,
// larger than MaxBytes or nested deeper than MaxDepth is a fault.Usage error that names what it is instead.
// The contents are not judged: see Validate.
func Read(r io.Reader) (*Document, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxBytes {
		return nil, fault.New(fault.Usage, hintReport, "it is larger than %d MiB, no report", MaxBytes>>20)
	}
	b, what := payload(b)
	if what != "" {
		return nil, fault.New(fault.Usage, hintReport, "it is %s, not a report", what)
	}
	if depth(b) > MaxDepth {
		return nil, fault.New(fault.Usage, hintReport, "its JSON is nested deeper than %d levels, no report", MaxDepth)
	}
	d := &Document{}
	if err := json.Unmarshal(b, d); err != nil {
		var f *fault.Error
		if errors.As(err, &f) {
			return nil, err
		}
		return nil, fault.New(fault.Usage, hintReport, "it is not a complete report: %w", err)
	}
	return d, nil
}

const hintReport = "give a file that infer wrote with --format json, --report FILE.json or --report FILE.html"

// payload returns the JSON object inside b, or a description of what b is instead.
func payload(b []byte) (object []byte, what string) {
	b = bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	switch {
	case len(b) == 0:
		return nil, "an empty file"
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return nil, "UTF-16 text"
	case bytes.HasPrefix(b, []byte("\x93NUMPY")):
		return nil, "a NumPy array"
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		return nil, "a zip archive"
	case !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0:
		return nil, "a binary file"
	case b[0] == '<':
		_, after, ok := bytes.Cut(b, []byte(embedOpen))
		inside, _, closed := bytes.Cut(after, []byte(embedClose))
		if !ok || !closed {
			return nil, "an HTML or XML page without a report inside"
		}
		return unescapeHTML(bytes.TrimSpace(inside)), ""
	case b[0] == '[':
		return nil, "a JSON list (an ONNX Runtime trace?)"
	case b[0] != '{':
		return nil, "text that is not JSON"
	}
	return b, ""
}

// unescapeHTML takes back what json.HTMLEscape did to < > and &, so that a document read from a page is written as it was.
func unescapeHTML(b []byte) []byte {
	plain := map[string]byte{`\u003c`: '<', `\u003e`: '>', `\u0026`: '&'}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		if c, ok := plain[string(b[i:min(i+6, len(b))])]; ok {
			out = append(out, c)
			i += 5
			continue
		}
		out = append(out, b[i:min(i+2, len(b))]...) // an escape of something else, whose second byte begins none
		i++
	}
	return out
}

// depth returns how deep the brackets of a JSON text nest, whether or not the text is valid.
func depth(b []byte) int {
	level, deepest, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// fields lists the known top-level fields of d in the order in which they are written.
func (d *Document) fields() []field {
	return []field{
		{"schema", &d.Schema}, {"kind", &d.Kind}, {"created", &d.Created}, {"verdict", &d.Verdict},
		{"manifest", &d.Manifest}, {"metrics", &d.Metrics}, {"gates", &d.Gates}, {"validity", &d.Validity},
		{"warnings", &d.Warnings}, {"details", &d.Details},
	}
}

type field struct {
	key string
	at  any
}

// UnmarshalJSON reads a document and refuses one of another schema with a fault.Usage error.
func (d *Document) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if err := checkSchema(raw); err != nil {
		return err
	}
	*d = Document{}
	for _, f := range d.fields() {
		if v, ok := raw[f.key]; ok {
			delete(raw, f.key)
			if err := decode(v, f.at); err != nil {
				return fmt.Errorf("field %q: %w", f.key, err)
			}
		}
	}
	if len(raw) > 0 {
		d.Extra = raw
	}
	*d = d.filled()
	return nil
}

// decode is json.Unmarshal that keeps numbers of unknown fields (a 64-bit seed among the options) as they are written.
func decode(b []byte, at any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(at)
}

func checkSchema(raw map[string]json.RawMessage) error {
	var schema string
	if v, ok := raw["schema"]; ok && json.Unmarshal(v, &schema) == nil {
		if schema == Schema {
			return nil
		}
		return fault.New(fault.Usage, "read it with the version of infer that wrote it, or with a newer one",
			"its schema is %q, and this program reads %q", schema, Schema)
	}
	what := "a JSON object without a schema"
	if _, ok := raw["traceEvents"]; ok {
		what = "a Chrome trace"
	}
	return fault.New(fault.Usage, hintReport, "it is %s, not a report", what)
}

// MarshalJSON writes the fields in the order of the contract, then Extra sorted by name.
// A metric whose value or bound is NaN or infinite is written without it, and a warning says so;
// such a number anywhere else is an error.
func (d Document) MarshalJSON() ([]byte, error) {
	d = d.finite().filled()
	var b bytes.Buffer
	b.WriteByte('{')
	known := map[string]bool{}
	for i, f := range d.fields() {
		if i > 0 {
			b.WriteByte(',')
		}
		known[f.key] = true
		if err := writeField(&b, f.key, f.at); err != nil {
			return nil, err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(d.Extra)) {
		if known[k] {
			continue
		}
		b.WriteByte(',')
		if err := writeField(&b, k, d.Extra[k]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func writeField(b *bytes.Buffer, key string, v any) error {
	k, err := marshal(key)
	if err != nil {
		return err
	}
	raw, err := marshal(v)
	if err != nil {
		return fmt.Errorf("field %q: %w", key, err)
	}
	b.Write(k)
	b.WriteByte(':')
	b.Write(raw)
	return nil
}

// filled returns d with nothing that would be written as null where the contract has a list or an object.
func (d Document) filled() Document {
	if d.Metrics == nil {
		d.Metrics = []Metric{}
	}
	if d.Gates == nil {
		d.Gates = []GateResult{}
	}
	if d.Validity.Checks == nil {
		d.Validity.Checks = []Check{}
	}
	if d.Warnings == nil {
		d.Warnings = []string{}
	}
	if len(d.Details) == 0 || string(d.Details) == "null" {
		d.Details = json.RawMessage("{}")
	}
	return d
}

// finite returns d with every number of its metrics writable as JSON. It leaves d itself as it is.
func (d Document) finite() Document {
	bad := func(v *float64) bool { return v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) }
	d.Metrics, d.Warnings = slices.Clone(d.Metrics), slices.Clone(d.Warnings)
	for i := range d.Metrics {
		m := &d.Metrics[i]
		if bad(m.Value) {
			d.Warn("%s: the value %v cannot be written and is left out", m.Name, *m.Value)
			m.Value, m.Lo, m.Hi = nil, nil, nil
		}
		if bad(m.Lo) || bad(m.Hi) {
			d.Warn("%s: an interval without finite ends is left out", m.Name)
			m.Lo, m.Hi = nil, nil
		}
		if bad(&m.Confidence) {
			m.Confidence = 0
		}
	}
	return d
}

// Write writes d as indented JSON that ends with a newline, its keys in the order of the contract.
func Write(w io.Writer, d *Document) error {
	raw, err := marshal(d)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	b.WriteByte('\n')
	_, err = w.Write(escapeInvisible(b.Bytes()))
	return err
}

// escapeInvisible writes the characters that could drive a terminal or reorder its lines, which JSON allows in
// strings as they are, as \u escapes: the same document, safe to look at.
func escapeInvisible(b []byte) []byte {
	if !bytes.ContainsFunc(b, invisible) {
		return b
	}
	var out bytes.Buffer
	for _, r := range string(b) {
		switch {
		case !invisible(r):
			out.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}

func invisible(r rune) bool { return r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }
