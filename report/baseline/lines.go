package baseline

import (
	"bytes"
	"fmt"
	"path"
	"slices"

	"infer/internal/fault"
	"infer/report"
)

// decode reads a file of runs: JSON lines where its name ends in .jsonl, else one document. Runs are called after where.
func decode(where string, b []byte) ([]Run, error) {
	if len(b) > report.MaxBytes {
		return nil, fault.New(fault.Usage, "give a file that infer wrote", "%s is larger than %d MiB, no baseline", where, report.MaxBytes>>20)
	}
	if !manyIn(where) {
		r, err := parseRun(where, b)
		if err != nil {
			return nil, err
		}
		return []Run{r}, nil
	}
	var runs []Run
	n := 0
	for line := range bytes.Lines(b) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		r, err := parseRun(fmt.Sprintf("%s:%d", where, n), line)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	if len(runs) == 0 {
		return nil, fault.New(fault.Usage, hintFirst, "%w", absent{where + " has no documents"})
	}
	return runs, nil
}

// encode returns the file called name that holds old and r, the newest last: the newest keep of JSON lines, else r alone.
func encode(name string, old []Run, r Run, keep int) ([]byte, error) {
	if !manyIn(name) {
		var b bytes.Buffer
		err := report.Write(&b, r.Document)
		return b.Bytes(), err
	}
	var b bytes.Buffer
	runs, err := kept(old, r, keep)
	for _, r := range slices.Backward(runs) {
		b.Write(r.raw)
		b.WriteByte('\n')
	}
	return b.Bytes(), err
}

// kept returns the newest keep of old and r, newest first. It fails where r is none of them.
func kept(old []Run, r Run, keep int) ([]Run, error) {
	old = slices.DeleteFunc(slices.Clone(old), func(o Run) bool { return o.SHA256 == r.SHA256 })
	runs := newestFirst(append(old, r))
	runs = runs[:min(len(runs), keep)]
	if !slices.ContainsFunc(runs, func(k Run) bool { return k.SHA256 == r.SHA256 }) {
		return nil, fault.New(fault.Usage, "measure again, or give another baseline", "the run is older than the %d accepted ones that are kept", keep)
	}
	return runs, nil
}

// manyIn reports whether a file of this name is of JSON lines.
func manyIn(name string) bool { return path.Ext(name) == ".jsonl" }

const hintFirst = "accept a first run with --update-baseline on-pass, or name another baseline"
