package payload

import (
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/model/dataset"
)

// FromData makes a payload of each batch of rows of a data set, in order; batch 0 is the smallest that its model takes.
// Where they are more than 1000, or than 256 MiB hold, they are chosen evenly over the rows, which a note says; the rows
// that do not fill a last batch are left out. d is not closed and not needed any more. source is its path. Errors:
// fault.Usage for a batch that does not fit the model or has more rows than there are, and those of reading.
func FromData(d *dataset.Set, source string, batch int64, o Options) (*Set, error) {
	if batch <= 0 {
		batch = max(1, d.BatchSize())
	}
	if fixed := d.BatchSize(); fixed > 0 && batch != fixed {
		return nil, fault.New(fault.Usage, "leave --batch out", "a batch of %d rows for a model that takes %d", batch, fixed)
	}
	all := d.Rows() / batch
	if all == 0 {
		return nil, fault.New(fault.Usage, "give a smaller batch or more rows", "a request of %d rows needs more than the %d of data set %q", batch, d.Rows(), source)
	}
	s := &Set{Source: source, Rows: batch, Notes: slices.Clone(d.Notes()), rows: d.Rows()}
	err := evenly(all, int64(o.count(false)), o.bytes(), func() { s.Payloads = s.Payloads[:0] }, func(i int64) (int64, error) {
		lo := i * batch
		in, err := d.Batch(lo, lo+batch)
		s.Payloads = append(s.Payloads, Payload{Inputs: in, Lo: lo, Hi: lo + batch})
		return bytesOf(in), err
	})
	if err != nil {
		return nil, err
	}
	if n := int64(s.Len()); n < all {
		s.Notes = append(s.Notes, fmt.Sprintf("%d of the %d requests that the data set has rows for are sent, chosen evenly", n, all))
	}
	return s, nil
}

// evenly takes at most most things of all, chosen evenly, in order. take returns how many bytes one has; where they are
// more than limit in all, it begins again (reset) with fewer. One is taken in any case.
func evenly(all, most, limit int64, reset func(), take func(i int64) (int64, error)) error {
	for n := min(all, most); n > 0; {
		reset()
		held, next := int64(0), int64(0)
		for i := range n {
			size, err := take(i * all / n)
			if err != nil {
				return err
			}
			if held += size; held > limit && n > 1 {
				next = max(1, min(i, 3*n/4))
				break
			}
		}
		n = next
	}
	return nil
}
