package library

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// verify checks the sha256 of a downloaded file.
func verify(ctx context.Context, file string, d download) error {
	got, err := sumOf(ctx, file)
	if err != nil {
		return err
	}
	if got != d.sum {
		return &mismatch{name: d.name, want: d.sum, got: got}
	}
	return nil
}

func sumOf(ctx context.Context, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, reader{ctx, f}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reader stops reading when its context ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// unpack writes the members of a verified archive (a wheel or a .tgz) to dir.
func unpack(ctx context.Context, archive, dir string, d download) error {
	if strings.HasSuffix(d.name, ".whl") {
		return unzip(ctx, archive, dir, d.files)
	}
	return untar(ctx, archive, dir, d.files)
}

func unzip(ctx context.Context, archive, dir string, files []member) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("open %s: %w", filepath.Base(archive), err)
	}
	defer z.Close()
	for _, m := range files {
		f, err := z.Open(m.entry)
		if err != nil {
			return fmt.Errorf("%s has no %s", filepath.Base(archive), m.entry)
		}
		err = writeMember(ctx, f, dir, m)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func untar(ctx context.Context, archive, dir string, files []member) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(reader{ctx, f})
	if err != nil {
		return fmt.Errorf("open %s: %w", filepath.Base(archive), err)
	}
	t := tar.NewReader(z)
	for missing := len(files); missing > 0; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s has no %s", filepath.Base(archive), files[0].entry)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", filepath.Base(archive), err)
		}
		for _, m := range files {
			if h.Typeflag == tar.TypeReg && path.Clean(h.Name) == m.entry {
				if err := writeMember(ctx, t, dir, m); err != nil {
					return err
				}
				missing--
			}
		}
	}
	return nil
}

// writeMember writes one file of an archive, no more than its pinned size, and checks its sum.
func writeMember(ctx context.Context, r io.Reader, dir string, m member) error {
	f, err := os.OpenFile(filepath.Join(dir, m.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(reader{ctx, r}, m.bytes+1)); err != nil {
		return fmt.Errorf("unpack %s: %w", m.name, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != m.sum {
		return &mismatch{name: m.name, want: m.sum, got: got}
	}
	// after a power cut the renamed folder must not hold an empty library
	if err := f.Sync(); err != nil {
		return fmt.Errorf("unpack %s: %w", m.name, err)
	}
	return f.Close()
}
