package wire

import (
	"bytes"
	"encoding/base64"

	"infer/internal/fault"
	"infer/model/tensor"
)

// tfs reads one request of TF Serving's REST predict.
type tfs struct {
	*scanner
	*arena
	limits Limits
	ports  []Port
	r      *Request
	root   string // "instances" or "inputs", for errors
}

// DecodeTFS reads the body of TF Serving's REST predict: row ("instances", which sets r.Row) or columnar ("inputs").
// inputs give dtypes and, for a bare value, the name. Strings are JSON strings or {"b64": …}. The nesting of arrays is
// the shape; ragged ones are fault.Usage that says where, and so are unknown inputs. Whether all inputs are there is
// for the caller to see. What r held before is gone.
func (r *Request) DecodeTFS(body []byte, model string, inputs []Port, l Limits) error {
	r.begin(l.Bytes)
	d := tfs{scanner: &r.scan, arena: &r.arena, limits: l, ports: inputs, r: r}
	d.start(body, l.Depth)
	if err := d.request(); err != nil {
		return fault.Wrap(err, "predict request for model '%s'", model)
	}
	for i := range r.Inputs {
		d.settle(&r.Inputs[i], &r.nests[i])
	}
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
				d.root, d.r.Row = "instances", true
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
		return fault.New(fault.Usage, "", "expecting 'instances' to be a list/array")
	}
	before := *d.scanner
	if err := d.enter('['); err != nil {
		return err
	}
	switch d.peek() {
	case ']':
		return fault.New(fault.Usage, "", "no values in 'instances' array")
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
			for i := range d.r.nests {
				d.r.nests[i].sizes[0] = int64(row) + 1
			}
			return nil
		}
		if d.peek() != '{' || d.base64Next() {
			return fault.New(fault.Usage, "", "instances[%d]: expecting an object, as in instances[0]", row)
		}
		if err := d.row(row); err != nil {
			return err
		}
		if len(d.r.nests) == 0 {
			return fault.New(fault.Usage, "", "instances[0] has no inputs")
		}
		for i := range d.r.nests {
			if d.r.nests[i].rows != row+1 {
				return fault.New(fault.Usage, "", "instances[%d] has no input '%s'", row, d.r.Inputs[i].Name)
			}
		}
	}
}

// row reads the object of one instance.
func (d *tfs) row(row int) error {
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
		i, err := d.input(k)
		if err != nil {
			return fault.Wrap(err, "instances[%d]", row)
		}
		n := &d.r.nests[i]
		if n.rows == row+1 {
			return fault.New(fault.Usage, "", "instances[%d] has input '%s' twice", row, d.r.Inputs[i].Name)
		}
		if n.rows != row {
			return fault.New(fault.Usage, "", "instances[0] has no input '%s', instances[%d] has", d.r.Inputs[i].Name, row)
		}
		n.at[0], n.rows = int64(row), row+1
		if err := d.nested(&d.r.Inputs[i], n, 1); err != nil {
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
		i, err := d.input(k)
		if err != nil {
			return err
		}
		n := &d.r.nests[i]
		if n.rows++; n.rows > 1 {
			return fault.New(fault.Usage, "", "'inputs' has input '%s' twice", d.r.Inputs[i].Name)
		}
		if err := d.nested(&d.r.Inputs[i], n, 0); err != nil {
			return err
		}
	}
}

// bare reads a value without a name.
func (d *tfs) bare() error {
	if len(d.ports) != 1 {
		names := make([]string, len(d.ports))
		for i := range d.ports {
			names[i] = d.ports[i].Name
		}
		return fault.New(fault.Usage, NamesHint("inputs", "", names), "'%s' is a plain value/list, but expecting objects with a value for each of the %d inputs of the model", d.root, len(d.ports))
	}
	i := d.add(&d.ports[0])
	return d.nested(&d.r.Inputs[i], &d.r.nests[i], 0)
}

// input returns the number of the input of a name, which it adds when it comes first.
func (d *tfs) input(name []byte) (int, error) {
	for i := range d.r.Inputs {
		if d.r.Inputs[i].Name == string(name) {
			return i, nil
		}
	}
	for i := range d.ports {
		if d.ports[i].Name == string(name) {
			return d.add(&d.ports[i]), nil
		}
	}
	return 0, d.unknown(name)
}

// unknown returns the error for an input that the model does not have.
func (d *tfs) unknown(name []byte) error {
	names := make([]string, len(d.ports))
	for i := range d.ports {
		names[i] = d.ports[i].Name
	}
	return fault.New(fault.Usage, NamesHint("inputs", clip(name), names), "the model has no input '%s'", clip(name))
}

// add adds an input.
func (d *tfs) add(p *Port) int {
	d.r.Inputs = append(d.r.Inputs, tensor.Tensor{Name: p.Name, DType: p.DType})
	d.r.nests = append(d.r.nests, nest{rank: -1})
	return len(d.r.Inputs) - 1
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
