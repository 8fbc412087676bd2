package calibrate

import (
	"math"

	"infer/model/tensor"
)

// holdOut is the share of rows that are kept apart to compare methods on: every fifth, of which the first is the fifth.
const holdOut = 5

// held reports whether row is one of those that are kept apart.
func held(row int64) bool { return row%holdOut == holdOut-1 }

// Observation is what was seen of one value. All counts are over elements and rows; a tensor whose axis 0 does not
// divide among the rows of its run (a mask or a position table that a batch shares) counts once for each of them.
type Observation struct {
	Value    string
	DType    tensor.DType // as the runtime computed it; elements are looked at as float32
	Shape    tensor.Shape // in the first run, axis 0 divided among its rows
	Elements int64        // NaN and Inf included
	NaN, Inf int64        // elements that no range has room for
	Fit      *Histogram   // of the rows that ranges are made of; nil where the methods asked for need none
	Held     *Histogram   // of the rows kept apart

	lo, hi []float32 // of each row the smallest and the largest finite element; NaN for none
}

func newObservation(value string, bins int) *Observation {
	o := &Observation{Value: value}
	if bins > 0 {
		o.Fit, o.Held = newHistogram(bins), newHistogram(bins)
	}
	return o
}

// Rows returns how many rows were seen.
func (o *Observation) Rows() int64 { return int64(len(o.lo)) }

// Extremes returns the smallest and the largest finite element; ok is false where there is none.
func (o *Observation) Extremes() (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for i := range o.lo {
		if v := float64(o.lo[i]); v < lo {
			lo = v
		}
		if v := float64(o.hi[i]); v > hi {
			hi = v
		}
	}
	return lo, hi, lo <= hi
}

// add takes in t, what a run of the given number of rows made of the value. scratch holds what has to be copied.
func (o *Observation) add(t tensor.Tensor, rows int64, scratch *scratch) error {
	x, err := scratch.floats(t)
	if err != nil {
		return err
	}
	shape, size := append(tensor.Shape{}, t.Shape...), 0 // of a row in x; size 0: every row is the whole of it
	if len(shape) > 0 && shape[0]%rows == 0 {
		shape[0], size = shape[0]/rows, len(x)/int(rows)
	}
	if o.Shape == nil {
		o.DType, o.Shape = t.DType, shape
	}
	for i := range int(rows) {
		part := x
		if size > 0 {
			part = x[i*size : (i+1)*size]
		}
		o.addRow(part, scratch)
	}
	return nil
}

// addRow takes in the elements of the next row.
func (o *Observation) addRow(x []float32, scratch *scratch) {
	s := look(x)
	o.Elements += int64(len(x))
	o.NaN += s.nan
	o.Inf += s.inf
	if h := o.histogram(o.Rows()); h != nil && s.lo <= s.hi {
		if s.nan+s.inf > 0 {
			scratch.finite = finite(scratch.finite[:0], x)
			x = scratch.finite
		}
		h.add(x, s.lo, s.hi)
	}
	o.lo, o.hi = append(o.lo, s.lo), append(o.hi, s.hi)
}

// histogram returns the histogram that counts a row, nil where none is kept.
func (o *Observation) histogram(row int64) *Histogram {
	if held(row) {
		return o.Held
	}
	return o.Fit
}

// merge adds what p saw, as rows after those of o; p stays as it is.
func (o *Observation) merge(p *Observation) {
	if o.Shape == nil {
		o.DType, o.Shape = p.DType, p.Shape.Clone()
	}
	o.Elements += p.Elements
	o.NaN += p.NaN
	o.Inf += p.Inf
	if o.Fit != nil {
		o.Fit.merge(p.Fit)
		o.Held.merge(p.Held)
	}
	o.lo, o.hi = append(o.lo, p.lo...), append(o.hi, p.hi...)
}

// clone returns a copy that shares nothing that either changes.
func (o *Observation) clone() *Observation {
	c := *o
	if o.Fit != nil {
		c.Fit, c.Held = o.Fit.clone(), o.Held.clone()
	}
	c.lo, c.hi = append([]float32(nil), o.lo...), append([]float32(nil), o.hi...)
	return &c
}

// scratch is the memory of one goroutine that looks at tensors.
type scratch struct{ decoded, finite []float32 }

// floats returns the elements of t, a view where they are float32 already.
func (s *scratch) floats(t tensor.Tensor) ([]float32, error) {
	if t.DType == tensor.Float32 {
		return tensor.Floats(t)
	}
	n, err := t.Shape.Elements()
	if err != nil {
		return nil, err
	}
	if int64(cap(s.decoded)) < n {
		s.decoded = make([]float32, n)
	}
	s.decoded = s.decoded[:n]
	tensor.DecodeFloats(s.decoded, t.DType, t.Data)
	return s.decoded, nil
}
