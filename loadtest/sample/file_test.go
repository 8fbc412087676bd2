package sample

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

// write makes a file of samples and returns its path and the figures' JSON of the fold beside it.
func write(t testing.TB, samples []Sample) (path string, figures []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "load.samples")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFold(FoldOptions{From: time.Second, To: time.Hour, Limit: 5 * time.Millisecond})
	for part := range slices.Chunk(samples, 100) {
		if err := w.Add(part); err != nil {
			t.Fatal(err)
		}
		f.Add(part)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before it is whole")
	}
	f.End(20 * time.Second)
	if err := w.Close(Header{Fold: f.Options(), Interrupted: true, Document: json.RawMessage(`{"kind":"loadtest"}`)}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(Header{}); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	figures, err = json.Marshal(f.Figures())
	if err != nil {
		t.Fatal(err)
	}
	return path, figures
}

// readAll reads in pieces of n.
func readAll(r *Reader, n int) ([]Sample, error) {
	var out []Sample
	piece := make([]Sample, n)
	for {
		k, err := r.Next(piece)
		out = append(out, piece[:k]...)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

func TestFile(t *testing.T) {
	for _, n := range []int{0, 1, blockRecords, blockRecords + 1, 5000} {
		samples := load(n, 500, 1)
		path, figures := write(t, samples)
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		h := r.Header()
		if !IsFile(path) || h.Samples != int64(n) || !h.Interrupted || string(h.Document) != `{"kind":"loadtest"}` || h.Fold.Ended != 20*time.Second {
			t.Errorf("%d samples: header %+v", n, h)
		}
		got, err := readAll(r, 333)
		if err != nil || len(got) != n || n > 0 && !reflect.DeepEqual(got, samples) {
			t.Errorf("%d samples: read %d, %v", n, len(got), err)
		}
		f := NewFold(h.Fold)
		f.Add(got)
		again, err := json.Marshal(f.Figures())
		if err != nil || !bytes.Equal(again, figures) {
			t.Errorf("%d samples: folded again they give other figures (%v)", n, err)
		}
		for range 2 {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestFileDamage changes every part of a file and cuts it off everywhere: that is found, and said.
func TestFileDamage(t *testing.T) {
	samples := load(2*blockRecords+10, 500, 1)
	path, _ := write(t, samples)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) error {
		r, err := newReader(bytes.NewReader(b), int64(len(b)), "x")
		if err != nil {
			return err
		}
		_, err = readAll(r, 100)
		return err
	}
	if err := try(whole); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		b := bytes.Clone(whole)
		at := random.IntN(len(b))
		if random.IntN(3) == 0 {
			at = len(b) - 1 - random.IntN(200) // header and footer
		}
		b[at] ^= 1 << random.IntN(8)
		err := try(b)
		if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `"x"`) {
			t.Fatalf("a flipped bit in byte %d of %d: %v", at, len(b), err)
		}
		if err := try(whole[:random.IntN(len(whole))]); err == nil || fault.KindOf(err) != fault.Usage {
			t.Fatalf("cut off: %v", err)
		}
	}
	newer := bytes.Clone(whole)
	newer[len(magic)-1] = 9
	for text, b := range map[string][]byte{"no file of samples": []byte("{}"), "version 9": newer, "cut off": whole[:len(whole)-1]} {
		if err := try(b); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error is %v, want one with %q", err, text)
		}
	}
}

// TestFileFull: a full disk gives one error, from then on the same, and nothing stays.
func TestFileFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	link := filepath.Join(t.TempDir(), "full")
	if err := os.Symlink("/dev/full", link); err != nil {
		t.Skip(err)
	}
	w, err := Create(link)
	if err == nil {
		err = w.Add(load(5000, 500, 1))
		if again := w.Close(Header{}); again == nil || err == nil || again.Error() != err.Error() {
			t.Errorf("first %v, then %v", err, again)
		}
		w.Abort()
	}
	if err == nil || !strings.Contains(err.Error(), "no space") || strings.Count(err.Error(), "write") != 1 {
		t.Errorf("error is %v", err)
	}
}

func TestFileAbort(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(load(3000, 500, 1)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	if err := w.Close(Header{}); err == nil {
		t.Error("an aborted file was closed")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
	if _, err := Create(filepath.Join(dir, "none", "x")); err == nil {
		t.Error("created in no folder")
	}
	if _, err := Open(dir); err == nil {
		t.Error("opened a folder")
	}
}

// FuzzReader: whatever the bytes are, reading ends with io.EOF or a Usage error, and never has more samples than bytes.
func FuzzReader(f *testing.F) {
	path, _ := write(f, load(blockRecords+3, 500, 1))
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	small, _ := write(f, load(2, 500, 1))
	b, err := os.ReadFile(small)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(b)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := newReader(bytes.NewReader(b), int64(len(b)), "x")
		if err == nil {
			var got []Sample
			if got, err = readAll(r, 7); len(got)*recordBytes > len(b) {
				t.Fatalf("%d samples of %d bytes", len(got), len(b))
			}
		}
		if err != nil && fault.KindOf(err) != fault.Usage {
			t.Fatal(err)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	samples := load(1000, 500, 1)
	w, err := Create(os.DevNull)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := w.Add(samples); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/sample")
}
