package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"infer/internal/fault"
	"infer/model/tensor"
)

// nest is what is known of the shape of nested arrays while they are read: the size of a level from the first array of
// it that ended, the rank from the first element.
type nest struct {
	sizes [maxRank]int64 // plus 1; 0: not known
	at    [maxRank]int64 // how many members the open array of a level has
	rank  int            // -1: not known
	rows  int            // TF Serving: the instances that have it
}

// nested reads the value that follows, at a level of n, and appends its elements to t.
func (d *tfs) nested(t *tensor.Tensor, n *nest, level int) error {
	outer := level
	for {
		if d.peek() == '[' {
			if level == maxRank || level == n.rank {
				return d.ragged(t, n, level, "has more dimensions than what came before")
			}
			if err := d.enter('['); err != nil {
				return err
			}
			n.at[level] = 0
			level++
		} else {
			if n.rank < 0 {
				n.rank = level
			}
			if level != n.rank {
				return d.ragged(t, n, level, "has fewer dimensions than what came before")
			}
			if err := d.append(t); err != nil {
				return fault.Wrap(err, "%s", d.path(t, n, level))
			}
			if level == outer {
				return nil
			}
			n.at[level-1]++
		}
		for { // the ends of arrays
			ok, err := d.more(n.at[level-1] == 0)
			if err != nil {
				return err
			}
			if ok {
				break
			}
			level--
			if err := d.leave(t, n, level); err != nil {
				return err
			}
			if level == outer {
				return nil
			}
			n.at[level-1]++
		}
	}
}

// leave checks the size of an array of a level that has ended.
func (d *tfs) leave(t *tensor.Tensor, n *nest, level int) error {
	size := n.at[level]
	if size == 0 && n.rank < 0 {
		n.rank = level + 1
	}
	if n.sizes[level] == 0 {
		n.sizes[level] = size + 1
	}
	if want := n.sizes[level] - 1; want != size {
		return d.ragged(t, n, level, fmt.Sprintf("has %d elements, expected %d", size, want))
	}
	return nil
}

// ragged returns the error for what stands at a level.
func (d *tfs) ragged(t *tensor.Tensor, n *nest, level int, what string) error {
	return fault.New(fault.Usage, "", "%s %s: all arrays of a level must have one shape", d.path(t, n, level), what)
}

// path says where in the request the reader is: "instances[2].x[0][1]".
func (d *tfs) path(t *tensor.Tensor, n *nest, level int) string {
	named := n.rows > 0
	var b strings.Builder
	b.WriteString(d.root)
	if named && !d.row {
		b.WriteString("." + t.Name)
	}
	for i := range level {
		fmt.Fprintf(&b, "[%d]", n.at[i])
		if i == 0 && named && d.row {
			b.WriteString("." + t.Name)
		}
	}
	return b.String()
}

// append reads an element of t.
func (d *tfs) append(t *tensor.Tensor) error {
	if t.DType == tensor.String {
		s, err := d.text()
		if err != nil {
			return err
		}
		if int64(len(t.Strings)) >= d.limits.Elements {
			return fault.New(fault.TooLarge, "", "%s '%s' has more elements than the limit of %d", d.kind, t.Name, d.limits.Elements)
		}
		t.Strings = append(t.Strings, s)
		return d.charge(int64(stringSize))
	}
	size := elementSize(t.DType)
	if size == 0 {
		return fault.New(fault.Unsupported, "", "%s '%s' is %s, which the protocol cannot carry", d.kind, t.Name, t.DType)
	}
	n := len(t.Data)
	if int64(n/size) >= d.limits.Elements {
		return fault.New(fault.TooLarge, "", "%s '%s' has more elements than the limit of %d", d.kind, t.Name, d.limits.Elements)
	}
	if err := d.charge(int64(size)); err != nil {
		return err
	}
	t.Data = d.grow(t.Data, size)[:n+size]
	return d.put(t.Data[n:], t.DType)
}

// text reads a string element.
func (d *tfs) text() (string, error) {
	if d.peek() == '{' {
		return d.str64()
	}
	raw, escaped, err := d.token()
	if err != nil {
		return "", err
	}
	if !utf8.Valid(raw) {
		return "", fault.New(fault.Usage, "send it as {\"b64\": …}", "the string is not UTF-8")
	}
	if escaped {
		raw = unescape(d.bytes(len(raw))[:0], raw)
	}
	return view(raw), d.charge(int64(len(raw)))
}

// settle gives each tensor the shape that its arrays had.
func (d *tfs) settle() {
	for i := range d.list {
		d.settleOne(&d.list[i], &d.nests[i])
	}
}

func (d *tfs) settleOne(t *tensor.Tensor, n *nest) {
	t.Shape = d.shape(max(n.rank, 0))
	for i := range t.Shape {
		t.Shape[i] = n.sizes[i] - 1
	}
	if t.DType == tensor.String && t.Strings == nil {
		t.Strings = []string{}
	}
	if t.DType != tensor.String && t.Data == nil {
		t.Data = []byte{}
	}
}
