package tune

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"infer/internal/fault"
)

// journalSchema is in the first line of a journal.
const journalSchema = "infer.tune-journal/v1"

// mostJournal bounds what is read of a journal, bytes.
const mostJournal = 1 << 28

// heading is the first line of a journal.
type heading struct {
	Schema   string `json:"schema"`
	Manifest string `json:"manifest"` // digest of what was searched, where
	Seed     uint64 `json:"seed"`
}

// entry is a line: a block of a setting, or why there is none.
type entry struct {
	Phase   string        `json:"phase"`
	Round   int           `json:"round"`
	Sitting int           `json:"sitting,omitempty"` // a search that resumes begins another one
	Setting Setting       `json:"setting"`
	Opened  time.Duration `json:"opened_ns,omitempty"` // what opening it for this block took
	Failed  string        `json:"failed,omitempty"`    // it could not be opened, or a run failed
	Block   Block         `json:"block"`
}

// journal is what was measured, by round and setting, and the file that it is written to.
type journal struct {
	path    string
	file    *os.File // nil: none
	entries map[string]entry
	sitting int // the present one
}

func entryKey(round int, setting string) string { return fmt.Sprintf("%d %s", round, setting) }

// openJournal reads the journal at path, or begins one; "" keeps nothing. A line that was cut at the end, as the last one
// of a killed program is, is dropped from the file. A file that is no journal, or one of another model, machine or seed
// (fault.Usage), stays as it is. name names a setting.
func openJournal(path string, h heading, name func(Setting) string) (*journal, error) {
	j := &journal{path: path, entries: map[string]entry{}}
	if path == "" {
		return j, nil
	}
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fault.New(fault.Usage, "name a file that can be written", "journal %q: %w", path, cause(err))
	}
	if err := j.load(f, h, name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j.file = f
	return j, nil
}

// cause is the reason of a file error without the path, which the message has already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// load reads f, cuts it after the last whole line, and writes the heading of an empty one.
func (j *journal) load(f *os.File, h heading, name func(Setting) string) error {
	data, err := io.ReadAll(io.LimitReader(f, mostJournal+1))
	if err != nil {
		return fault.Wrap(cause(err), "read journal %q", j.path)
	}
	entries, whole, err := readJournal(data, h)
	if err != nil {
		return fault.Wrap(err, "journal %q", j.path)
	}
	for _, e := range entries {
		j.entries[entryKey(e.Round, name(e.Setting))] = e
		j.sitting = max(j.sitting, e.Sitting+1)
	}
	if whole < len(data) {
		if err := f.Truncate(int64(whole)); err != nil {
			return fault.Wrap(cause(err), "repair journal %q", j.path)
		}
	}
	if _, err := f.Seek(int64(whole), io.SeekStart); err != nil {
		return fault.Wrap(cause(err), "journal %q", j.path)
	}
	if whole == 0 {
		return writeLine(f, h)
	}
	return nil
}

// readJournal returns the entries of a journal, and the length up to the end of its last whole line. Everything but
// a cut last line must be what a search writes.
func readJournal(data []byte, h heading) ([]entry, int, error) {
	if len(data) > mostJournal {
		return nil, 0, fault.New(fault.Usage, "begin another one", "it is longer than %d MB", mostJournal>>20)
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole == 0 {
		if line, err := json.Marshal(h); err == nil && bytes.HasPrefix(line, data) {
			return nil, 0, nil // empty, or cut in its first line
		}
		return nil, 0, fault.New(fault.Usage, "name another file: this one is kept", "it is no journal of infer tune")
	}
	var entries []entry
	for i, line := range bytes.Split(data[:whole-1], []byte("\n")) {
		if i == 0 {
			if err := h.accepts(line); err != nil {
				return nil, 0, err
			}
			continue
		}
		var e entry
		if err := strictly(line, &e); err != nil {
			return nil, 0, fault.New(fault.Usage, "begin another journal", "line %d is not of a journal: %w", i+1, err)
		}
		if why := e.wrong(); why != "" {
			return nil, 0, fault.New(fault.Usage, "begin another journal", "line %d: %s", i+1, why)
		}
		entries = append(entries, e)
	}
	return entries, whole, nil
}

// accepts says whether a journal with this first line is of the same search.
func (h heading) accepts(line []byte) error {
	var got heading
	if err := strictly(line, &got); err != nil || got.Schema != journalSchema {
		return fault.New(fault.Usage, "name another file: this one is kept", "it is no journal of infer tune")
	}
	if got != h {
		return fault.New(fault.Usage, "begin another journal, or repeat the command that began this one",
			"it is of another search: the model, the machine, the runtime, the knobs, the options or the seed differ")
	}
	return nil
}

// wrong says what no search writes.
func (e *entry) wrong() string {
	b := e.Block
	positive := func(x float64) bool { return x > 0 }
	switch {
	case e.Round < 0 || e.Sitting < 0 || e.Opened < 0 || b.Elapsed < 0 || len(e.Setting) == 0:
		return "a negative round, sitting or time, or no setting"
	case e.Failed != "":
		return ""
	case len(b.Seconds) == 0 || !(b.Throughput > 0):
		return "a block without runs"
	case slices.ContainsFunc(b.Seconds, func(x float64) bool { return !positive(x) }):
		return "a run of no time"
	}
	return ""
}

func strictly(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("something follows it")
	}
	return nil
}

// blocks returns the entries of all members of a round, nil where one is not there or is of another phase or sitting than
// the others.
func (j *journal) blocks(round int, phase string, members []*trial) []entry {
	var out []entry
	for _, t := range members {
		e, ok := j.entries[entryKey(round, t.key)]
		if !ok || e.Phase != phase || len(out) > 0 && e.Sitting != out[0].Sitting {
			return nil
		}
		out = append(out, e)
	}
	return out
}

// add appends an entry of this sitting to the file, if there is one.
func (j *journal) add(e entry) error {
	if j.file == nil {
		return nil
	}
	e.Sitting = j.sitting
	if err := writeLine(j.file, e); err != nil {
		return fault.Wrap(cause(err), "write journal %q", j.path)
	}
	return nil
}

func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n')) // one write: a killed program leaves at most one cut line
	return err
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
