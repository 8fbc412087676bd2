package baseline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"infer/internal/fault"
	"infer/report"
)

// acceptedKey is the field of a stored document that holds the regressions that were accepted with it.
const acceptedKey = "accepted"

// newRun returns d as it is stored.
func newRun(d *report.Document, accepted []report.Acceptance) (Run, error) {
	if err := d.Validate(); err != nil {
		return Run{}, fault.New(fault.Usage, "add a document as infer wrote it", "the run is not a sound document: %s", firstLine(err.Error()))
	}
	if d.Validity.Verdict != report.Valid || d.Verdict == report.Invalid || d.Verdict == report.Interrupted || d.Verdict == report.NotComparable {
		return Run{}, fault.New(fault.Untrusted, "measure again, and add a run that is valid", "the run is not to be trusted and cannot be what others are compared with%s", whyNot(d))
	}
	d, err := Slim(d)
	if err != nil {
		return Run{}, err
	}
	delete(d.Extra, acceptedKey) // of a run that comes from a store itself
	if len(accepted) > 0 {
		b, err := json.Marshal(accepted)
		if err != nil {
			return Run{}, fmt.Errorf("write what was accepted: %w", err)
		}
		d.Extra[acceptedKey] = b
	}
	var whole, line bytes.Buffer
	if err := report.Write(&whole, d); err != nil {
		return Run{}, err
	}
	if err := json.Compact(&line, whole.Bytes()); err != nil {
		return Run{}, err
	}
	return Run{SHA256: digest(line.Bytes()), Document: d, raw: line.Bytes()}, nil
}

// whyNot says what speaks against a document: the checks that failed, else its verdict where that does.
func whyNot(d *report.Document) string {
	var failed []string
	for _, c := range d.Validity.Checks {
		if !c.OK {
			failed = append(failed, strings.TrimSuffix(c.Name+": "+c.Detail, ": "))
		}
	}
	switch {
	case len(failed) > 0:
		return ": " + strings.Join(failed, "; ")
	case d.Verdict != report.OK:
		return ": its verdict is " + string(d.Verdict)
	}
	return ""
}

// parseRun reads a stored document.
func parseRun(path string, raw []byte) (Run, error) {
	d, err := report.Read(bytes.NewReader(raw))
	if err == nil {
		if bad := d.Validate(); bad != nil {
			err = fault.New(fault.Usage, "", "its document is damaged: %s", firstLine(bad.Error()))
		}
	}
	if err == nil && d.Extra[acceptedKey] != nil {
		if bad := json.Unmarshal(d.Extra[acceptedKey], new([]report.Acceptance)); bad != nil {
			err = fault.New(fault.Usage, "", "its field %q is damaged: %w", acceptedKey, bad)
		}
	}
	if err != nil {
		return Run{}, fault.New(fault.Usage, "remove it, or put back what infer wrote", "%s: %w", path, err)
	}
	return Run{Path: path, SHA256: digest(raw), Document: d, raw: raw}, nil
}

// acceptances returns what was accepted together with a stored document; parseRun has made sure that it can be read.
func acceptances(d *report.Document) []report.Acceptance {
	var out []report.Acceptance
	if raw := d.Extra[acceptedKey]; raw != nil {
		_ = json.Unmarshal(raw, &out)
	}
	return out
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func firstLine(s string) string {
	line, _, _ := bytes.Cut([]byte(s), []byte("\n"))
	return string(line)
}
