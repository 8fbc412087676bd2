package wire

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"infer/model/tensor"
)

// read reads text as a dtype and returns the bytes of the element.
func read(text string, d tensor.DType) ([]byte, error) {
	s := scanner{data: []byte(text), depth: 8}
	dst := make([]byte, elementSize(d))
	if err := s.put(dst, d); err != nil {
		return nil, err
	}
	return dst, s.finish()
}

// sameFloats compares a text, read as float32 and as float64, with strconv.
func sameFloats(t *testing.T, text string) {
	t.Helper()
	for _, c := range []struct {
		d    tensor.DType
		bits int
	}{{tensor.Float32, 32}, {tensor.Float64, 64}} {
		s := scanner{data: []byte(text), depth: 8}
		n, err := s.number()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		want, wantErr := strconv.ParseFloat(text, c.bits)
		got, ok := s.float64(n)
		if c.bits == 32 {
			var f float32
			f, ok = s.float32(n)
			got = float64(f)
		}
		if ok != (wantErr == nil) || ok && math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s of %d bits: %v %v, want %v %v", text, c.bits, got, ok, want, wantErr)
		}
	}
}

func TestFloatsAreTheNearest(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "0.0", "-0.0e5", "1", "12345678", "123456789", "0.1", "-0.3", "3.4028235e38", "3.4028236e38", "3.5e38",
		"1e39", "-1e39", "1e308", "1.8e308", "1e309", "1e999999999999", "1e-999999999999", "1.4e-45", "7e-46", "1e-40",
		"1.17549435e-38", "1.1754943e-38", "2.2250738585072014e-308", "5e-324", "16777217", "16777216.5", "33554433",
		"9007199254740993", "0.000012345678901234567890", "0.00000000000000000000000000001", "18446744073709551615",
		"18446744073709551616", "99999999999999999999", "1234567890123456789012345678901234567890", "1e22", "1e23", "1e-22",
		"0.4470588266849518", "8388608.5", "8388609.5", "8388608.50000001", "1.00000005960464477539062", "1.000000059604644775390625",
		"1.00000005960464477539063", "16777217.0000000000001", "4503599627370497.5", "0.30000001192092896",
	} {
		sameFloats(t, text)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200_000 {
		f := math.Float32frombits(rng.Uint32())
		if f != f || math.IsInf(float64(f), 0) {
			continue
		}
		sameFloats(t, strconv.FormatFloat(float64(f), 'g', -1, 64)) // 17 digits, as Python writes a widened float
		sameFloats(t, strconv.FormatFloat(float64(f), 'e', rng.IntN(20), 32))
		// The middle of f and its neighbour, and texts a little off it: where rounding twice goes wrong.
		middle := (float64(f) + float64(math.Nextafter32(f, math.MaxFloat32))) / 2
		sameFloats(t, strconv.FormatFloat(middle, 'g', -1, 64))
		sameFloats(t, strconv.FormatFloat(middle, 'g', 17+rng.IntN(3), 64))
		sameFloats(t, strconv.FormatFloat(rng.NormFloat64(), 'f', rng.IntN(22), 64))
	}
}

func TestIntegersAreExact(t *testing.T) {
	for _, c := range []struct {
		d              tensor.DType
		fits, fitsNot  []string
		wantLo, wantHi string
	}{
		{d: tensor.Int8, fits: []string{"-128", "127", "0", "-0"}, fitsNot: []string{"-129", "128", "1000"}},
		{d: tensor.Uint8, fits: []string{"0", "-0", "255"}, fitsNot: []string{"-1", "256"}},
		{d: tensor.Int16, fits: []string{"-32768", "32767"}, fitsNot: []string{"-32769", "32768"}},
		{d: tensor.Uint16, fits: []string{"65535"}, fitsNot: []string{"-1", "65536"}},
		{d: tensor.Int32, fits: []string{"-2147483648", "2147483647"}, fitsNot: []string{"-2147483649", "2147483648"}},
		{d: tensor.Uint32, fits: []string{"4294967295"}, fitsNot: []string{"-1", "4294967296"}},
		{d: tensor.Int64, fits: []string{"-9223372036854775808", "9223372036854775807"}, fitsNot: []string{"-9223372036854775809", "9223372036854775808", "18446744073709551616", "100000000000000000000"}},
		{d: tensor.Uint64, fits: []string{"18446744073709551615", "9223372036854775808"}, fitsNot: []string{"-1", "18446744073709551616", "99999999999999999999999"}},
	} {
		for _, text := range c.fits {
			b, err := read(text, c.d)
			if err != nil {
				t.Errorf("%s as %s: %v", text, c.d, err)
				continue
			}
			got := strconv.FormatInt(IntegerAt(b, c.d, 0), 10)
			if c.d == tensor.Uint64 {
				got = string(mustElements(t, tensor.Tensor{DType: c.d, Shape: tensor.Shape{1}, Data: b}))
			}
			if want := strings.TrimPrefix(text, "-0"); got != want && got != "0" {
				t.Errorf("%s as %s is %s", text, c.d, got)
			}
		}
		for _, text := range append(c.fitsNot, "1.5", "1.0", "1e0", "NaN", "Infinity") {
			if b, err := read(text, c.d); err == nil {
				t.Errorf("%s as %s is taken as %x", text, c.d, b)
			}
		}
	}
}

// mustElements returns the elements of x as JSON writes them.
func mustElements(t *testing.T, x tensor.Tensor) []byte {
	t.Helper()
	n, _ := x.Shape.Elements()
	b, err := appendElements(nil, &x, 0, int(n))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTokensThatAreNotFinite(t *testing.T) {
	for text, want := range map[string]float64{
		"NaN": math.NaN(), "-NaN": math.NaN(), "Infinity": math.Inf(1), "Inf": math.Inf(1), "-Infinity": math.Inf(-1),
		"-Inf": math.Inf(-1),
	} {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float64, tensor.Float16, tensor.BFloat16} {
			b, err := read(text, d)
			if err != nil {
				t.Errorf("%s as %s: %v", text, d, err)
				continue
			}
			x := tensor.Tensor{DType: d, Shape: tensor.Shape{1}, Data: b}
			f, _ := tensor.Floats(x)
			if got := float64(f[0]); got != want && (got == got || want == want) {
				t.Errorf("%s as %s is %v", text, d, got)
			}
		}
	}
}

func TestHalfPrecisionOverflows(t *testing.T) {
	for _, c := range []struct {
		d    tensor.DType
		text string
		ok   bool
	}{
		{tensor.Float16, "65504", true}, {tensor.Float16, "65519.9", true}, {tensor.Float16, "65520", false},
		{tensor.Float16, "-1e10", false}, {tensor.BFloat16, "3.38e38", true}, {tensor.BFloat16, "3.4e38", false},
	} {
		if _, err := read(c.text, c.d); (err == nil) != c.ok {
			t.Errorf("%s as %s: %v", c.text, c.d, err)
		}
	}
}

func TestWhatIsNoNumber(t *testing.T) {
	for _, text := range []string{
		"", "-", "+1", ".5", "1.", "01", "-01", "00", "1e", "1e+", "1e-", "0x10", "1_0", "--1", "nan", "inf", "Infinit", "Na",
		"-I", "1 2", "\"1\"", "true", "null", "1.e5", "e5", "1,", "١",
	} {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float64, tensor.Int64, tensor.Uint8} {
			if b, err := read(text, d); err == nil {
				t.Errorf("%q as %s is taken as %x", text, d, b)
			}
		}
	}
}
