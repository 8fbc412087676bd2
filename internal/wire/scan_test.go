package wire

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

// valid reports whether skip takes text as one JSON value.
func valid(text string, depth int) error {
	var s scanner
	s.start([]byte(text), depth)
	if err := s.skip(); err != nil {
		return err
	}
	return s.finish()
}

func TestSkipIsStrict(t *testing.T) {
	for _, text := range []string{
		`1`, ` "a" `, `null`, `true`, `false`, `[]`, `{}`, `[1, 2,3]`, `{"a":1,"b":[{},[]],"c":{"d":"e"}}`, "\t\r\n[ ]\n",
		`"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00"`, `[NaN,-Infinity,Inf]`, `[[[[1]]]]`,
	} {
		if err := valid(text, 8); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		``, ` `, `[`, `]`, `{`, `}`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1 "b":2}`,
		`[1}`, `{"a":1]`, `1 2`, `"a`, `"\x"`, `"\u12"`, `"\ud800"`, `"\ud800\u0041"`, `"\udc00"`, "\"\n\"", "\"\x00\"", `nul`,
		`tru`, `'a'`, `[1]]`, "\u00a0[]", `{"a":1,"b"}`, `{1:2}`, `//`, `"\`, `"\u`,
	} {
		if err := valid(text, 8); err == nil {
			t.Errorf("%q is taken", text)
		} else if fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: kind of %v", text, err)
		}
	}
}

func TestDepthCostsNothing(t *testing.T) {
	for _, text := range []string{strings.Repeat("[", 5_000_000), strings.Repeat(`{"a":`, 1_000_000), strings.Repeat("[[],", 1_000_000)} {
		start := time.Now()
		var s scanner
		s.start([]byte(text), DefaultLimits.Depth)
		err := s.skip()
		if err == nil || !strings.Contains(err.Error(), "JSON nesting depth exceeds maximum allowed limit (64)") {
			t.Fatal(err)
		}
		if cap(s.open) > 256 || time.Since(start) > time.Second {
			t.Errorf("stack of %d, %s", cap(s.open), time.Since(start))
		}
	}
	if err := valid(strings.Repeat("[", 8)+strings.Repeat("]", 8), 8); err != nil {
		t.Error(err)
	}
	if err := valid(strings.Repeat("[", 9)+strings.Repeat("]", 9), 8); err == nil {
		t.Error("nine levels are taken for eight")
	}
}

func TestStringsAreUnescaped(t *testing.T) {
	for _, text := range []string{`"plain"`, `""`, `"a\"b\\c\/d\b\f\n\r\t"`, `"\u0000\u00e9\u20ac\ud83d\ude00 \u0041"`, `"x\u0000y"`} {
		var want string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		var s scanner
		s.start([]byte(text), 1)
		got, err := s.str()
		if err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", text, got, err, want)
		}
	}
}

// FuzzSkip holds the scanner against encoding/json.
func FuzzSkip(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e3,"x\u00e9"],"b":null}`, `[[],{}]`, `"\ud83d\ude00"`, `[true,false]`, `01`, `[1,]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s scanner
		s.start(data, 1<<20)
		err := s.skip()
		if err == nil {
			err = s.finish()
		}
		text := string(data)
		notFinite := strings.Contains(text, "NaN") || strings.Contains(text, "Inf")
		surrogates := strings.Contains(text, `\ud`) || strings.Contains(text, `\uD`)
		if ok := json.Valid(data); ok && err != nil && !surrogates || !ok && err == nil && !notFinite {
			t.Errorf("%q: encoding/json says %v, skip %v", data, ok, err)
		}
	})
}
