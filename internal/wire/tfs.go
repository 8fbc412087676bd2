package wire

import (
	"bytes"
	"encoding/base64"

	"infer/internal/fault"
	"infer/model/tensor"
)

// tfs reads one request or answer of TF Serving's REST predict.
type tfs struct {
	*scanner
	*arena
	limits  Limits
	ports   []Port
	list    []tensor.Tensor // what was read so far
	nests   []nest          // one for each of list
	row     bool            // row format
	partial bool            // an answer: names that are not among ports are skipped
	kind    string          // "input" or "output", for errors
	root    string          // "instances" or "inputs", "predictions" or "outputs", for errors
}

// DecodeTFS reads the body of TF Serving's REST predict: row ("instances", which sets r.Row) or columnar ("inputs").
// inputs give dtypes and, for a bare value, the name. Strings are JSON strings or {"b64": …}. The nesting of arrays is
// the shape; ragged ones are fault.Usage that says where, and so are unknown inputs. Whether all inputs are there is
// for the caller to see. What r held before is gone.
func (r *Request) DecodeTFS(body []byte, model string, inputs []Port, l Limits) error {
	r.begin(l.Bytes)
	d := tfs{scanner: &r.scan, arena: &r.arena, limits: l, ports: inputs, list: r.Inputs, nests: r.nests, kind: "input"}
	d.start(body, l.Depth)
	err := d.request()
	r.Inputs, r.nests, r.Row = d.list, d.nests, d.row
	if err != nil {
		return fault.Wrap(err, "predict request for model '%s'", model)
	}
	d.settle()
	return nil
}

// request reads the JSON of a request.
func (d *tfs) request() error {
	if err := d.enter('{'); err != nil {
		return err
	}
	signed := false
	for first := true; ; first = false {
		ok, err := d.more(first)
		if err != nil {
			return err
		}
		if !ok {
			if d.root == "" {
				return fault.New(fault.Usage, "", "missing 'inputs' or 'instances' key")
			}
			return d.finish()
		}
		k, err := d.key()
		if err != nil {
			return err
		}
		switch key := string(k); key {
		case "signature_name":
			if signed {
				return fault.New(fault.Usage, "", "'signature_name' is given twice")
			}
			signed = true
			err = d.signature()
		case "instances", "inputs":
			if d.root != "" {
				return fault.New(fault.Usage, "", "expecting only one of 'inputs' or 'instances' keys to exist, once")
			}
			if key == "instances" {
				d.root, d.row = "instances", true
				err = d.instances()
			} else {
				d.root = "inputs"
				err = d.columns()
			}
		default:
			err = d.skip()
		}
		if err != nil {
			return err
		}
	}
}

// signature reads the name of a signature, of which a model here has one.
func (d *tfs) signature() error {
	name, err := d.str()
	if err != nil {
		return fault.Wrap(err, "'signature_name' key must be a string value")
	}
	if s := view(name); s != "" && s != "serving_default" {
		return fault.New(fault.Usage, "leave it out, or send \"serving_default\"", "unknown signature '%s'", clip(name))
	}
	return nil
}

// instances reads the row format: an array of values of the only input, or of objects with a value for each input.
func (d *tfs) instances() error {
	if d.peek() != '[' {
		return fault.New(fault.Usage, "", "expecting '%s' to be a list/array", d.root)
	}
	before := *d.scanner
	if err := d.enter('['); err != nil {
		return err
	}
	switch d.peek() {
	case ']':
		return fault.New(fault.Usage, "", "no values in '%s' array", d.root)
	case '{':
		if !d.base64Next() {
			return d.rows()
		}
	}
	d.i, d.open = before.i, before.open
	return d.bare()
}

// rows reads the objects of an array that was entered.
func (d *tfs) rows() error {
	for row := 0; ; row++ {
		if ok, err := d.more(row == 0); err != nil {
			return err
		} else if !ok {
			for i := range d.nests {
				d.nests[i].sizes[0] = int64(row) + 1
			}
			return nil
		}
		if d.peek() != '{' || d.base64Next() {
			return fault.New(fault.Usage, "", "%s[%d]: expecting an object, as in %s[0]", d.root, row, d.root)
		}
		if err := d.instance(row); err != nil {
			return err
		}
		if len(d.nests) == 0 {
			return fault.New(fault.Usage, "", "%s[0] has no %ss", d.root, d.kind)
		}
		for i := range d.nests {
			if d.nests[i].rows != row+1 {
				return fault.New(fault.Usage, "", "%s[%d] has no %s '%s'", d.root, row, d.kind, d.list[i].Name)
			}
		}
	}
}

// instance reads the object of one row.
func (d *tfs) instance(row int) error {
	if err := d.enter('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := d.more(first)
		if !ok || err != nil {
			return err
		}
		k, err := d.key()
		if err != nil {
			return err
		}
		i, err := d.named(k)
		if err != nil {
			return fault.Wrap(err, "%s[%d]", d.root, row)
		}
		if i < 0 {
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		n := &d.nests[i]
		if n.rows == row+1 {
			return fault.New(fault.Usage, "", "%s[%d] has %s '%s' twice", d.root, row, d.kind, d.list[i].Name)
		}
		if n.rows != row {
			return fault.New(fault.Usage, "", "%s[0] has no %s '%s', %s[%d] has", d.root, d.kind, d.list[i].Name, d.root, row)
		}
		n.at[0], n.rows = int64(row), row+1
		if err := d.nested(&d.list[i], n, 1); err != nil {
			return err
		}
	}
}

// columns reads the columnar format: a value of the only input, or an object with a value for each input.
func (d *tfs) columns() error {
	if d.peek() != '{' || d.base64Next() {
		return d.bare()
	}
	if err := d.enter('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		ok, err := d.more(first)
		if !ok || err != nil {
			return err
		}
		k, err := d.key()
		if err != nil {
			return err
		}
		if err := d.column(k); err != nil {
			return err
		}
	}
}

// column reads the value of a member with a key, all of an input.
func (d *tfs) column(k []byte) error {
	i, err := d.named(k)
	if err != nil {
		return err
	}
	if i < 0 {
		return d.skip()
	}
	n := &d.nests[i]
	if n.rows++; n.rows > 1 {
		return fault.New(fault.Usage, "", "'%s' has %s '%s' twice", d.root, d.kind, d.list[i].Name)
	}
	return d.nested(&d.list[i], n, 0)
}

// bare reads a value without a name, of the only port.
func (d *tfs) bare() error {
	if len(d.ports) != 1 {
		return fault.New(fault.Usage, NamesHint(d.kind+"s", "", PortNames(d.ports)), "'%s' is a plain value/list, but expecting objects with a value for each of the %d %ss of the model", d.root, len(d.ports), d.kind)
	}
	i := d.add(&d.ports[0])
	return d.nested(&d.list[i], &d.nests[i], 0)
}

// named returns the number of the tensor of a name, which it adds when it comes first; -1: it is to be skipped.
func (d *tfs) named(name []byte) (int, error) {
	for i := range d.list {
		if d.list[i].Name == string(name) {
			return i, nil
		}
	}
	for i := range d.ports {
		if d.ports[i].Name == string(name) {
			return d.add(&d.ports[i]), nil
		}
	}
	if d.partial {
		return -1, nil
	}
	return 0, d.unknown(name)
}

// unknown returns the error for an input that the model does not have.
func (d *tfs) unknown(name []byte) error {
	return fault.New(fault.Usage, NamesHint(d.kind+"s", clip(name), PortNames(d.ports)), "the model has no %s '%s'", d.kind, clip(name))
}

// add adds the tensor of a port.
func (d *tfs) add(p *Port) int {
	d.list = append(d.list, tensor.Tensor{Name: p.Name, DType: p.DType})
	d.nests = append(d.nests, nest{rank: -1})
	return len(d.list) - 1
}

// base64Next reports whether the object that follows is a string as {"b64": …} and not one of named inputs.
func (d *tfs) base64Next() bool {
	before := *d.scanner
	found := false
	if d.enter('{') == nil {
		k, err := d.key()
		found = err == nil && string(k) == "b64"
	}
	d.i, d.open = before.i, before.open
	for i := range d.ports {
		found = found && d.ports[i].Name != "b64"
	}
	return found
}

// str64 reads {"b64": …} into the arena.
func (d *tfs) str64() (string, error) {
	if err := d.enter('{'); err != nil {
		return "", err
	}
	if ok, err := d.more(true); !ok || err != nil {
		return "", fault.New(fault.Usage, "", "the object is not {\"b64\": \"…\"}")
	}
	k, err := d.key()
	if err != nil || string(k) != "b64" {
		return "", fault.New(fault.Usage, "", "the object is not {\"b64\": \"…\"}")
	}
	coded, err := d.str()
	if err != nil {
		return "", err
	}
	coded = bytes.TrimRight(coded, "=")
	out := d.bytes(base64.RawStdEncoding.DecodedLen(len(coded)))
	n, err := base64.RawStdEncoding.Decode(out, coded)
	if err != nil {
		return "", fault.New(fault.Usage, "", "unable to base64 decode: %v", err)
	}
	if ok, err := d.more(false); ok || err != nil {
		return "", fault.New(fault.Usage, "", "the object is not {\"b64\": \"…\"}")
	}
	return view(out[:n]), d.charge(int64(n))
}
