package wire

import (
	"math"
	"unicode/utf8"

	"infer/internal/fault"
	"infer/model/tensor"
)

// maxRank bounds the dimensions of a tensor: ONNX models have a handful.
const maxRank = 64

// tensor reads an input of a request or an output of an answer, the index-th, into t, which is empty.
func (d *decoder) tensor(t *tensor.Tensor, index int) error {
	if err := d.enter('{'); err != nil {
		return fault.Wrap(err, "unable to parse %s %d", d.kind, index)
	}
	var seen keys
	data, binarySize := -1, int64(-1)
	for first := true; ; first = false {
		k, ok, err := d.member(first)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if d.kind == "output" && d.null() {
			continue
		}
		switch string(k) {
		case "name":
			if err = seen.add("name"); err == nil {
				t.Name, err = d.name()
			}
		case "shape":
			if err = seen.add("shape"); err == nil {
				t.Shape, err = d.dims()
			}
		case "datatype":
			if err = seen.add("datatype"); err == nil {
				t.DType, err = d.datatype()
			}
		case "parameters":
			if err = seen.add("parameters"); err == nil {
				binarySize, err = d.tensorParams()
			}
		case "data":
			if err = seen.add("data"); err != nil {
				break
			}
			if data = d.i; seen.has("name") && seen.has("shape") && seen.has("datatype") {
				data = math.MaxInt // nothing is left to do
				err = d.data(t)
			} else {
				err = d.skip()
			}
		default:
			err = d.skip()
		}
		if err != nil {
			return fault.Wrap(err, "%s %d", d.kind, index)
		}
	}
	return d.complete(t, index, &seen, data, binarySize)
}

// complete checks that the object of a tensor has what it needs and reads its elements where they are not read yet:
// data is the byte that they start at in the JSON, math.MaxInt where they are read, -1 where there are none;
// binarySize their bytes in the binary part, -1 where they are not there.
func (d *decoder) complete(t *tensor.Tensor, index int, seen *keys, data int, binarySize int64) error {
	for _, key := range [...]string{"name", "datatype", "shape"} {
		if !seen.has(key) {
			return fault.New(fault.Usage, "", "unable to parse '%s': %s %d has none", key, d.kind, index)
		}
	}
	p := d.place(t)
	switch {
	case data < 0 && binarySize < 0:
		return fault.New(fault.Usage, "", "%s must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But no field is set", p)
	case data >= 0 && binarySize >= 0:
		return fault.New(fault.Usage, "", "%s must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But set 'data' 'binary_data_size'", p)
	case data == math.MaxInt:
		return nil
	case data >= 0:
		end := d.i
		d.i = data
		err := d.data(t)
		d.i = end
		return err
	case binarySize > int64(len(d.blobs)):
		return fault.New(fault.Usage, "", "unexpected size for %s '%s', expecting %d additional bytes for model '%s'", d.kind, t.Name, binarySize-int64(len(d.blobs)), d.model)
	}
	blob := d.blobs[:binarySize]
	d.blobs = d.blobs[binarySize:]
	return d.raw(t, blob, p, d.limits)
}

// place says where t stands.
func (d *decoder) place(t *tensor.Tensor) place { return place{d.kind, t.Name, d.model} }

// dims reads a shape.
func (d *decoder) dims() (tensor.Shape, error) {
	if err := d.enter('['); err != nil {
		return nil, fault.Wrap(err, "unable to parse 'shape'")
	}
	var dims [maxRank]int64
	n := 0
	for ; ; n++ {
		ok, err := d.more(n == 0)
		if err != nil {
			return nil, fault.Wrap(err, "unable to parse 'shape'")
		}
		if !ok {
			break
		}
		if n == maxRank {
			return nil, fault.New(fault.TooLarge, "", "unable to parse 'shape': more than %d dimensions", maxRank)
		}
		dim, err := d.uint(math.MaxInt64)
		if err != nil {
			return nil, fault.Wrap(err, "unable to parse 'shape': dimension %d", n)
		}
		dims[n] = int64(dim)
	}
	s := d.shape(n)
	copy(s, dims[:n])
	return s, nil
}

// datatype reads the name of a dtype.
func (d *decoder) datatype() (tensor.DType, error) {
	b, err := d.str()
	if err != nil {
		return tensor.Undefined, fault.Wrap(err, "unable to parse 'datatype'")
	}
	t, ok := ParseDatatype(view(b))
	if !ok {
		return t, fault.New(fault.Usage, "one of BOOL, UINT8 to UINT64, INT8 to INT64, FP16, FP32, FP64, BF16, BYTES", "invalid datatype '%s'", clip(b))
	}
	return t, nil
}

// tensorParams reads the parameters of a tensor and returns the size of its binary data, -1 where there is none.
func (d *decoder) tensorParams() (size int64, err error) {
	if err := d.enter('{'); err != nil {
		return -1, fault.Wrap(err, "unable to parse 'parameters'")
	}
	size = -1
	for first := true; ; first = false {
		k, ok, err := d.member(first)
		if !ok || err != nil {
			return size, err
		}
		switch string(k) {
		case "binary_data_size":
			if size >= 0 {
				return size, fault.New(fault.Usage, "", "'binary_data_size' is given twice")
			}
			var n uint64
			n, err = d.uint(math.MaxInt64)
			size = int64(n)
		case "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size":
			err = errSharedMemory()
		default:
			err = d.skip()
		}
		if err != nil {
			return size, fault.Wrap(err, "unable to parse '%s'", clip(k))
		}
	}
}

// data reads the elements of t, whose name, dtype and shape are known, from a JSON array. As in Triton the array may be
// nested or flat: the shape alone says how the elements lie.
func (d *decoder) data(t *tensor.Tensor) error {
	p := d.place(t)
	if t.DType == tensor.Float16 || t.DType == tensor.BFloat16 {
		return fault.New(fault.Usage, "", "receiving %s data via JSON is not supported. Please use the binary data format for %s %s", Datatype(t.DType), d.kind, t.Name)
	}
	n, err := elements(t.Shape, p, d.limits)
	if err != nil {
		return err
	}
	size, shortest := elementSize(t.DType), len("0,")
	if t.DType == tensor.String {
		size, shortest = stringSize, len(`"",`)
	}
	if rest := len(d.scanner.data) - d.i; n > int64(rest/shortest) { // nothing is taken for a shape that lies
		return fault.New(fault.Usage, "", "unable to parse 'data': shape %v of %s does not match true shape of 'data' field: it has %d elements, and no more than %d bytes follow", t.Shape, p, n, rest)
	}
	if err := d.charge(n * int64(size)); err != nil {
		return err
	}
	if t.DType == tensor.String {
		t.Strings = d.strings(int(n))
	} else {
		t.Data = d.bytes(int(n) * size)
	}
	if err := d.enter('['); err != nil {
		return fault.Wrap(err, "unable to parse 'data' of %s", p)
	}
	read, err := d.values(t, int(n), size)
	if err != nil {
		return fault.Wrap(err, "unable to parse 'data' of %s: element %d", p, read)
	}
	if read != int(n) {
		many := "more"
		if read < int(n) {
			many = "fewer"
		}
		return fault.New(fault.Usage, "", "unable to parse 'data': shape %v of %s does not match true shape of 'data' field: it has %d elements, and 'data' has %s", t.Shape, p, n, many)
	}
	return nil
}

// values reads the elements of an array that was entered, n at most; it returns how many it read, n+1 where there are
// more. size is that of an element.
func (d *decoder) values(t *tensor.Tensor, n, size int) (read int, err error) {
	d.value = false
	outside := len(d.open) - 1
	for {
		ok, err := d.element(outside)
		if !ok || err != nil {
			return read, err
		}
		if read == n {
			return n + 1, nil
		}
		if t.DType == tensor.String {
			t.Strings[read], err = d.text()
		} else {
			err = d.put(t.Data[read*size:(read+1)*size], t.DType)
		}
		if err != nil {
			return read, err
		}
		read++
	}
}

// text reads a string element: a view of the body, or of the arena where it has escapes. It must be UTF-8, as JSON is.
func (d *decoder) text() (string, error) {
	raw, escaped, err := d.token()
	if err != nil {
		return "", err
	}
	if !utf8.Valid(raw) {
		return "", fault.New(fault.Usage, "send it in the binary form", "the string is not UTF-8")
	}
	if err := d.charge(int64(len(raw))); err != nil {
		return "", err
	}
	if escaped {
		raw = unescape(d.bytes(len(raw))[:0], raw)
	}
	return view(raw), nil
}
