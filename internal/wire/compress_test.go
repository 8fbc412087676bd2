package wire

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"runtime"
	"strings"
	"testing"

	"infer/internal/fault"
)

// packed returns body as a writer packs it.
func packed(t testing.TB, body []byte, open func(w io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := open(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipTo(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
func zlibTo(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }
func flateTo(w io.Writer) io.WriteCloser {
	f, _ := flate.NewWriter(w, flate.DefaultCompression)
	return f
}

func TestDecompress(t *testing.T) {
	body := []byte(strings.Repeat(`{"data":[1,2,3]}`, 5000))
	for range 3 { // pooled readers and writers are good for more than one body
		for _, c := range []struct {
			encoding string
			body     []byte
		}{
			{"gzip", packed(t, body, gzipTo)}, {" X-GZip", packed(t, body, gzipTo)}, {"deflate", packed(t, body, zlibTo)},
			{"deflate", packed(t, body, flateTo)}, {"", body}, {"identity", body},
		} {
			got, err := Decompress([]byte("before"), c.encoding, c.body, int64(len(body)))
			if err != nil || string(got) != "before"+string(body) {
				t.Errorf("%s: %d bytes, %v", c.encoding, len(got), err)
			}
			if _, err := Decompress(nil, c.encoding, c.body, int64(len(body))-1); fault.KindOf(err) != fault.TooLarge {
				t.Errorf("%s over the limit: %v", c.encoding, err)
			}
		}
		for _, encoding := range []string{"gzip", "deflate", "identity", ""} {
			small, err := Compress([]byte("x"), encoding, body)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := Decompress(nil, encoding, small[1:], 1<<20); err != nil || !bytes.Equal(back, body) {
				t.Errorf("%s: %v", encoding, err)
			}
		}
	}
}

func TestDecompressRefuses(t *testing.T) {
	good := packed(t, []byte("hello hello hello"), gzipTo)
	z := packed(t, []byte("hello hello hello"), zlibTo)
	for _, c := range []struct {
		name, encoding string
		body           []byte
		kind           fault.Kind
	}{
		{"an unknown encoding", "br", good, fault.Media}, {"two encodings", "gzip, gzip", good, fault.Media},
		{"nothing", "gzip", nil, fault.Usage}, {"nothing deflated", "deflate", nil, fault.Usage},
		{"cut", "gzip", good[:len(good)-9], fault.Usage}, {"cut in the sum", "gzip", good[:len(good)-2], fault.Usage},
		{"zlib cut", "deflate", z[:len(z)-5], fault.Usage}, {"plain text", "gzip", []byte("hello"), fault.Usage},
		{"plain text as deflate", "deflate", []byte("hello"), fault.Usage},
		{"bytes behind", "deflate", append(bytes.Clone(z), 1, 2, 3), fault.Usage},
		{"bytes behind gzip", "gzip", append(bytes.Clone(good), 1, 2, 3), fault.Usage},
		{"a wrong sum", "deflate", append(bytes.Clone(z[:len(z)-1]), z[len(z)-1]^1), fault.Usage},
	} {
		if got, err := Decompress([]byte("x"), c.encoding, c.body, 1<<20); err == nil || fault.KindOf(err) != c.kind || string(got) != "x" {
			t.Errorf("%s: %q %v", c.name, got, err)
		}
	}
	if _, err := Compress(nil, "br", good); fault.KindOf(err) != fault.Media {
		t.Error(err)
	}
}

// TestBombs tries a body of a few kilobytes that would unpack to a hundred megabytes.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 100<<20)
	for name, body := range map[string][]byte{"gzip": packed(t, zeros, gzipTo), "deflate": packed(t, zeros, zlibTo)} {
		for limit, most := range map[int64]uint64{1 << 20: 6 << 20, 64 << 20: 80 << 20} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decompress(nil, name, body, limit)
			runtime.ReadMemStats(&after)
			if fault.KindOf(err) != fault.TooLarge {
				t.Errorf("%s: %v", name, err)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > most {
				t.Errorf("%s of %d bytes, limit %d: %d bytes taken", name, len(body), limit, taken)
			}
		}
	}
	// Within the ratio there is no harm in zeros.
	if got, err := Decompress(nil, "gzip", packed(t, zeros[:4<<20], gzipTo), 64<<20); err != nil || len(got) != 4<<20 {
		t.Error(err)
	}
}

func TestAcceptEncoding(t *testing.T) {
	for header, want := range map[string]string{
		"": "identity", "gzip": "gzip", "gzip, deflate": "gzip", "deflate, gzip": "deflate", "deflate;q=0.5, gzip;q=0.9": "gzip",
		"gzip;q=0": "identity", "br": "identity", "br, gzip;q=0.1": "gzip", "identity;q=1, gzip;q=0.5": "identity", "*": "gzip",
		"*;q=0": "identity", "gzip;q=0, *": "identity", "GZIP": "gzip", "x-gzip": "gzip", "gzip;q=x": "identity", "gzip;q=2": "identity",
		"gzip ; Q = 0.3 , deflate ; q=0.4": "deflate", ",,;q=1,": "identity", "deflate;level=1": "deflate",
	} {
		if got := AcceptEncoding(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// FuzzDecompress makes sure that nothing gets past the limit, and that what was packed comes back.
func FuzzDecompress(f *testing.F) {
	for _, seed := range []string{"", "hello", strings.Repeat("0,", 1000)} {
		f.Add([]byte(seed), "gzip")
		f.Add(packed(f, []byte(seed), gzipTo), "gzip")
		f.Add(packed(f, []byte(seed), zlibTo), "deflate")
		f.Add(packed(f, []byte(seed), flateTo), "deflate")
	}
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		const limit = 1 << 16
		if got, err := Decompress(nil, encoding, body, limit); err == nil && len(got) > limit {
			t.Errorf("%d bytes, limit %d", len(got), limit)
		} else if err != nil && fault.HTTPStatus(err)/100 != 4 {
			t.Error(err)
		}
		if canonical(encoding) == "" || len(body) > limit {
			return
		}
		small, err := Compress(nil, encoding, body)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decompress(nil, encoding, small, limit); err != nil || !bytes.Equal(back, body) {
			t.Errorf("%v", err)
		}
	})
}
