package cmd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"infer/internal/fault"
	"infer/loadtest"
	"infer/loadtest/sample"
	"infer/report"
	"infer/report/foreign"
)

// readResult reads the result in a file: a document (JSON, or a page that holds one), the samples of a load test, or what
// another tool wrote. sum is the SHA-256 of the file, hex; of samples it is left out.
func readResult(path string) (d *report.Document, sum string, err error) {
	if sample.IsFile(path) {
		d, err = loadtest.Reread(path, nil, nil)
		return d, "", err
	}
	b, err := readAll(path)
	if err != nil {
		return nil, "", fault.New(fault.Usage, "", "read report: %w", err)
	}
	hash := sha256.Sum256(b)
	if _, ok := foreign.Detect(b); ok {
		d, err = foreign.Read(b)
		return d, hex.EncodeToString(hash[:]), fault.Wrap(err, "read %q", path)
	}
	if d, err = report.Read(bytes.NewReader(b)); err != nil {
		return nil, "", fault.Wrap(err, "read report %q", path)
	}
	if err := d.Validate(); err != nil {
		return nil, "", fault.New(fault.Usage, "it was changed by hand, or damaged", "report %q: %w", path, err)
	}
	return d, hex.EncodeToString(hash[:]), nil
}

// readAll reads a file that may be a result, no further than such a one goes.
func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New(path + " is a folder")
	}
	return io.ReadAll(io.LimitReader(f, report.MaxBytes+1))
}
