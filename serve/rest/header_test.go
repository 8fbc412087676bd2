package rest

import (
	"testing"
	"time"
)

func TestParseTimeout(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration // 0: refused
	}{
		{"1", time.Second},
		{"0.25", 250 * time.Millisecond},
		{"50ms", 50 * time.Millisecond},
		{"1m30s", 90 * time.Second},
		{"1e300", longest},
		{"9999h", longest},
		{"1e999", longest},
		{"99999999h", longest},
		{"99999999999999h", longest},
		{"Inf", 0},
		{"0x1p3", 0},
		{"1_0", 0},
		{"NaN", 0},
		{"0", 0},
		{"-1", 0},
		{"-1s", 0},
		{"", 0},
		{"soon", 0},
	} {
		if got, err := parseTimeout(c.text); got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%q is %v (%v), want %v", c.text, got, err, c.want)
		}
	}
}

// FuzzParseTimeout holds that a timeout is refused, or positive and of a length that sums of times can take.
func FuzzParseTimeout(f *testing.F) {
	for _, s := range []string{"1", "50ms", "-1", "1e999", "NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := parseTimeout(s); err == nil && (d < 0 || d > longest) {
			t.Errorf("%q is %v", s, d)
		}
	})
}

// FuzzJSONLength holds that the length of the JSON lies within the body, or is refused.
func FuzzJSONLength(f *testing.F) {
	f.Add("10", 20)
	f.Add("-1", 0)
	f.Add("99999999999999999999", 5)
	f.Fuzz(func(t *testing.T, s string, body int) {
		h := header{jsonLen: []byte(s)}
		if n, err := h.jsonLength(body); err == nil && (n < 0 || n > body) {
			t.Errorf("%q of %d is %d", s, body, n)
		}
	})
}

// FuzzFilePart holds that a form gives a part of the body or an error.
func FuzzFilePart(f *testing.F) {
	const kind = `multipart/form-data; boundary="b"`
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nhello\r\n--b--\r\n"), kind)
	f.Add([]byte("--b\r\n\r\nhello"), kind)
	f.Add([]byte("--b--"), kind)
	f.Add([]byte("x"), "multipart/form-data")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		if data, _, err := filePart(body, contentType); err == nil && len(data) > len(body) {
			t.Errorf("%q gives %q", body, data)
		}
	})
}

func TestAppendMillis(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000", 999: "0.000", time.Microsecond: "0.001", 82 * time.Microsecond: "0.082",
		1234567 * time.Microsecond: "1234.567", -time.Second: "0.000",
	} {
		if got := string(appendMillis(nil, d)); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

// TestCredential holds that an Authorization of another scheme does not hide an API key.
func TestCredential(t *testing.T) {
	for _, c := range []struct{ authorization, key, want string }{
		{"Bearer a", "b", "Bearer a"}, {"bearer a", "b", "bearer a"}, {"Basic YTpi", "b", "b"}, {"", "b", "b"},
		{"Basic YTpi", "", "Basic YTpi"}, {"a", "b", "a"}, {"", "", ""},
	} {
		h := header{}
		if c.authorization != "" {
			h.authorization = []byte(c.authorization)
		}
		if c.key != "" {
			h.apiKey = []byte(c.key)
		}
		if got := string(h.credential()); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.authorization, c.key, got, c.want)
		}
	}
}
