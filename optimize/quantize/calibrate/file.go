package calibrate

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/model/tensor"
)

// Schema names the format of calibration files.
const Schema = "infer.calibration/v1"

// The limits of a file that is read: files come from anywhere.
const (
	maxFile = 1 << 30 // bytes
	maxRows = 1 << 32
)

// tableFile is a Table in JSON. Numbers are exact: counts are integers, floats go by their bits.
type tableFile struct {
	Schema string      `json:"schema"`
	Key    string      `json:"key,omitempty"`
	Rows   int64       `json:"rows"`
	Parts  []int64     `json:"parts"`
	Bins   int         `json:"bins,omitempty"`
	Notes  []string    `json:"notes,omitempty"`
	Values []valueFile `json:"values"`
}

type valueFile struct {
	Value    string         `json:"value"`
	DType    string         `json:"dtype,omitempty"` // absent before the first row
	Shape    tensor.Shape   `json:"shape"`
	Elements int64          `json:"elements"`
	NaN      int64          `json:"nan,omitempty"`
	Inf      int64          `json:"inf,omitempty"`
	Extremes []byte         `json:"extremes"` // two little-endian float32 a row: smallest, largest; NaN for none
	Fit      *histogramFile `json:"fit,omitempty"`
	Held     *histogramFile `json:"held,omitempty"`
}

// histogramFile is a Histogram. Smallest and largest element are those of its rows; where the bins lie follows from them.
type histogramFile struct {
	Zeros  uint64 `json:"zeros,omitempty"`
	Counts []byte `json:"counts"` // unsigned varints, from the bin of the smallest element to that of the largest
}

// Save writes t to path, whole or not at all.
func (t *Table) Save(path string) error {
	return atomicfile.Write(path, t.Write)
}

// Write writes t as JSON: the same table gives the same bytes.
func (t *Table) Write(w io.Writer) error {
	f := tableFile{Schema: Schema, Key: t.Key, Rows: t.Rows, Parts: t.parts, Bins: t.Bins, Notes: t.Notes, Values: []valueFile{}}
	for _, name := range t.Values() {
		o := t.values[name]
		v := valueFile{Value: name, Shape: o.Shape, Elements: o.Elements, NaN: o.NaN, Inf: o.Inf, Fit: o.Fit.file(), Held: o.Held.file()}
		if o.Shape != nil {
			v.DType = o.DType.String()
		}
		v.Extremes = make([]byte, 0, 8*len(o.lo))
		for i := range o.lo {
			v.Extremes = binary.LittleEndian.AppendUint32(v.Extremes, math.Float32bits(o.lo[i]))
			v.Extremes = binary.LittleEndian.AppendUint32(v.Extremes, math.Float32bits(o.hi[i]))
		}
		f.Values = append(f.Values, v)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(f)
}

func (h *Histogram) file() *histogramFile {
	if h == nil {
		return nil
	}
	f := &histogramFile{Zeros: h.Zeros, Counts: []byte{}}
	for _, c := range h.Counts {
		f.Counts = binary.AppendUvarint(f.Counts, c)
	}
	return f
}

// Load reads a finished table that Save wrote. A file that is something else, damaged or unfinished, is a fault.Usage
// error that names it.
func Load(path string) (*Table, error) {
	t, err := load(path)
	if err == nil && t == nil {
		err = fault.New(fault.Usage, "calibrate first", "calibration file %q: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	for _, v := range t.Values() {
		if rows := t.values[v].Rows(); rows != t.Rows {
			return nil, fault.New(fault.Usage, "finish the calibration with the same options",
				"calibration file %q: value %q has %d rows of %d", path, v, rows, t.Rows)
		}
	}
	return t, nil
}

// load is Load for a table that may be unfinished; nil where there is no file.
func load(path string) (*Table, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "", "calibration file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	var t *Table
	if err == nil {
		t, err = decode(b)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "name a file that infer wrote, or remove it", "calibration file %q: %w", path, err)
	}
	return t, nil
}

// decode reads what Write wrote, and trusts nothing in it.
func decode(b []byte) (*Table, error) {
	var f tableFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("it is damaged or no calibration: %w", err)
	}
	if f.Schema != Schema {
		return nil, fmt.Errorf("its schema is %q, want %q", f.Schema, Schema)
	}
	if f.Bins != 0 && (f.Bins < minBins || f.Bins > maxBins) {
		return nil, fmt.Errorf("%d bins", f.Bins)
	}
	t := newTable(f.Key, f.Bins)
	t.Rows, t.parts, t.Notes = f.Rows, f.Parts, f.Notes
	sum := int64(0)
	for _, n := range f.Parts {
		if n <= 0 || n > maxRows || sum > maxRows {
			return nil, fmt.Errorf("a part of %d rows", n)
		}
		sum += n
	}
	if sum != f.Rows {
		return nil, fmt.Errorf("%d rows, and its parts have %d", f.Rows, sum)
	}
	for _, v := range f.Values {
		o, err := v.observation(t)
		if err == nil && t.values[v.Value] != nil {
			err = errors.New("it is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("value %q: %w", v.Value, err)
		}
		t.values[v.Value] = o
	}
	return t, nil
}

// observation checks v against the table that it is of.
func (v valueFile) observation(t *Table) (*Observation, error) {
	o := newObservation(v.Value, t.Bins)
	o.Shape, o.Elements, o.NaN, o.Inf = v.Shape, v.Elements, v.NaN, v.Inf
	if v.Elements < 0 || v.NaN < 0 || v.Inf < 0 || v.NaN > v.Elements || v.Inf > v.Elements-v.NaN {
		return nil, fmt.Errorf("%d elements, %d NaN, %d infinite", v.Elements, v.NaN, v.Inf)
	}
	if v.Shape != nil {
		var err error
		if o.DType, err = tensor.ParseDType(v.DType); err != nil {
			return nil, err
		}
		if _, err := v.Shape.Elements(); err != nil {
			return nil, err
		}
	}
	if err := o.readExtremes(v.Extremes); err != nil {
		return nil, err
	}
	if o.Rows() > t.Rows {
		return nil, fmt.Errorf("%d rows of %d", o.Rows(), t.Rows)
	}
	if t.Bins == 0 && v.Fit == nil && v.Held == nil {
		return o, nil
	}
	if t.Bins == 0 || v.Fit == nil || v.Held == nil {
		return nil, errors.New("its histograms are missing, or should be")
	}
	if err := o.readHistograms(v, t.held(o.Rows())); err != nil {
		return nil, err
	}
	if n := o.Fit.Elements() + o.Held.Elements(); n != uint64(v.Elements-v.NaN-v.Inf) {
		return nil, fmt.Errorf("histograms of %d elements, want %d", n, v.Elements-v.NaN-v.Inf)
	}
	return o, nil
}

func (o *Observation) readExtremes(b []byte) error {
	if len(b)%8 != 0 {
		return fmt.Errorf("%d bytes of extremes", len(b))
	}
	for ; len(b) > 0; b = b[8:] {
		lo := math.Float32frombits(binary.LittleEndian.Uint32(b))
		hi := math.Float32frombits(binary.LittleEndian.Uint32(b[4:]))
		if !(lo <= hi && lo-lo == 0 && hi-hi == 0) && !(lo != lo && hi != hi) {
			return fmt.Errorf("row %d has elements from %g to %g", len(o.lo), lo, hi)
		}
		o.lo, o.hi = append(o.lo, lo), append(o.hi, hi)
	}
	return nil
}

// readHistograms makes room for the elements of the rows, and reads the counts.
func (o *Observation) readHistograms(v valueFile, apart []bool) error {
	for i := range o.lo {
		h := o.Fit
		if apart[i] {
			h = o.Held
		}
		if o.lo[i] <= o.hi[i] {
			h.reach(o.lo[i], o.hi[i])
		}
	}
	if err := v.Fit.read(o.Fit); err != nil {
		return err
	}
	return v.Held.read(o.Held)
}

// read fills the bins of h.
func (f *histogramFile) read(h *Histogram) error {
	rest := f.Counts
	for i := range h.Counts {
		c, n := binary.Uvarint(rest)
		if n <= 0 || c > math.MaxInt64/maxBins/4 {
			return fmt.Errorf("a histogram without a count for bin %d of %d", i, len(h.Counts))
		}
		h.Counts[i], rest = c, rest[n:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("a histogram with %d bytes behind its %d bins", len(rest), len(h.Counts))
	}
	if h.Zeros = f.Zeros; h.Zeros > 0 && (h.Counts == nil || h.Min > 0 || h.Max < 0) || h.Zeros > math.MaxInt64/4 {
		return fmt.Errorf("a histogram with %d zeros outside its bins", h.Zeros)
	}
	return nil
}
