package convert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"infer/optimize"
	"infer/optimize/proof"
	"infer/report"
)

// conclude fills the document.
func (c *conversion) conclude(elapsed time.Duration) error {
	d, x := c.doc, &c.details
	if x.Verification != nil {
		d.Metrics = append(d.Metrics, proof.Drift(*x.Verification)...)
	}
	d.Metrics = append(d.Metrics, proof.Metrics(x.Speed)...)
	if bytes := c.bytes(); bytes > 0 {
		d.Add(report.Exact("model_bytes", float64(bytes)), report.Exact("size_ratio", float64(bytes)/float64(x.Before.Bytes)))
	}
	d.Add(report.Exact("elapsed", elapsed.Seconds()))
	for _, op := range optimize.CustomOps(c.Model.Proto) {
		c.note(op + ": a custom operator, kept as it is")
	}
	c.judge()
	return d.SetDetails(*x)
}

// judge makes a gate of the comparison.
func (c *conversion) judge() {
	v := c.details.Verification
	if v == nil || v.Verdict == proof.NotRun {
		return
	}
	g := report.GateResult{Expr: "outputs agree", Verdict: report.Pass, Reason: fmt.Sprintf("%s, on %d sets of inputs", v.Verdict, v.Sets)}
	if c.drifts() {
		c.doc.Verdict, g.Verdict, g.Reason = report.FailedGate, report.Fail, v.Why
	}
	c.doc.Gates = append(c.doc.Gates, g)
}

// bytes returns what was written in all.
func (c *conversion) bytes() (sum int64) {
	for _, f := range c.details.Files {
		sum += f.Bytes
	}
	return sum
}

// files lists what is in the draft, by the names that it will have: the output first, then the others by name.
func (c *conversion) files() ([]report.ArtifactFile, error) {
	root := filepath.Dir(c.draft.Path())
	var list []report.ArtifactFile
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		list = append(list, report.ArtifactFile{Path: filepath.Join(filepath.Dir(c.Output), name), Bytes: info.Size(), What: c.what(name)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at what was written: %w", err)
	}
	first := func(f report.ArtifactFile) int {
		if filepath.Base(f.Path) == filepath.Base(c.draft.Path()) {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b report.ArtifactFile) int {
		return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a.Path, b.Path))
	})
	return list, nil
}

// digest returns the SHA-256 of files of the draft, one after the other, in hex.
func (c *conversion) digest(files []report.ArtifactFile) (string, error) {
	h := sha256.New()
	for _, f := range files {
		in, err := os.Open(c.draft.Beside(filepath.Base(f.Path)))
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, in)
		in.Close()
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// realPath returns the file that an output is written to: where it is a link, what that names.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// what says what a file of the draft is.
func (c *conversion) what(name string) string {
	switch base := filepath.Base(realPath(c.Output)); {
	case name == base && c.Engine != nil && c.Engine.Tool != nil:
		return "engine"
	case name == base:
		return "model"
	case name == base+".engine.json":
		return "record"
	case ending(name) == ".json":
		return "layers"
	case c.Engine != nil:
		return "engine"
	case name == base+".data":
		return "external data"
	case ending(name) == ".bin" && ending(base) == ".xml":
		return "weights"
	}
	return "compiled model"
}
