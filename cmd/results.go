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
// another tool wrote. sum is the SHA-256 of the file, hex.
func readResult(path string) (d *report.Document, sum string, err error) {
	if sample.IsFile(path) {
		if d, err = loadtest.Reread(path, nil, nil); err == nil {
			sum, err = fileHash(path)
		}
		return d, sum, err
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

// fileHash is the SHA-256 of a file in hex.
func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fault.New(fault.Usage, "", "read report: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fault.New(fault.Usage, "", "read report: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
