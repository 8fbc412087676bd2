package wire

import (
	"strings"

	"infer/internal/fault"
	"infer/model/tensor"
)

// DecodeTFSResponse reads an answer of TF Serving's REST predict as a client does: row ("predictions") or columnar
// ("outputs"). outputs give names and dtypes: what the answer has beside them is skipped, and whether all are there is
// for the caller to see. Simpler servers are understood too: an object with the outputs by name, "predictions" that are
// no list, and, where outputs has one element, a bare value. Strings are JSON strings or {"b64": …}. Errors are
// fault.Usage, fault.TooLarge over a limit; an answer with none of the outputs is one. What r held before is gone.
func (r *Response) DecodeTFSResponse(body []byte, outputs []Port, l Limits) error {
	r.begin(l.Bytes)
	d := tfs{scanner: &r.scan, arena: &r.arena, limits: l, ports: outputs, list: r.Outputs, nests: r.nests, kind: "output", partial: true}
	d.start(body, l.Depth)
	err := d.response()
	r.Outputs, r.nests = d.list, d.nests
	if err != nil {
		return fault.Wrap(err, "predict answer")
	}
	d.settle()
	return nil
}

// DecodeNested reads JSON arrays as the elements of a tensor with the name and dtype of p; the nesting is the shape, and a
// bare value a scalar. Its errors are those of DecodeTFSResponse. The tensor is the caller's, but its strings may be views
// of text.
func DecodeNested(text []byte, p Port, l Limits) (tensor.Tensor, error) {
	var r Response
	r.begin(l.Bytes)
	d := tfs{scanner: &r.scan, arena: &r.arena, limits: l, ports: []Port{p}, kind: "tensor"}
	d.start(text, l.Depth)
	if err := d.bare(); err != nil {
		return tensor.Tensor{}, err
	}
	if err := d.finish(); err != nil {
		return tensor.Tensor{}, err
	}
	d.settle()
	return d.list[0], nil
}

// response reads the JSON of an answer.
func (d *tfs) response() error {
	if d.peek() != '{' || d.base64Next() {
		d.root = "answer"
		if err := d.bare(); err != nil {
			return err
		}
		return d.finish()
	}
	if err := d.enter('{'); err != nil {
		return err
	}
	told := ""
	for first := true; ; first = false {
		ok, err := d.more(first)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		k, err := d.key()
		if err != nil {
			return err
		}
		switch key := string(k); {
		case (key == "predictions" || key == "outputs") && (d.root != "" || len(d.list) > 0):
			return fault.New(fault.Usage, "", "expecting only one of 'outputs' or 'predictions' keys to exist, once")
		case key == "predictions" || key == "outputs":
			err = d.answers(key)
		case key == "error" && d.peek() == '"':
			var text []byte
			text, err = d.str()
			told = ": the server says \"" + clip(text) + "\""
		default:
			err = d.column(k)
		}
		if err != nil {
			return err
		}
	}
	if err := d.finish(); err != nil || len(d.list) > 0 {
		return err
	}
	names := PortNames(d.ports)
	return fault.New(fault.Usage, NamesHint("outputs", "", names), "the answer has none of the outputs '%s'%s",
		strings.Join(names[:min(len(names), mostNames)], "', '"), told)
}

// answers reads the value of "predictions" or "outputs".
func (d *tfs) answers(key string) error {
	if key == "predictions" {
		d.root = "predictions"
		if d.peek() == '[' {
			d.row = true
			return d.instances()
		}
		return d.columns()
	}
	d.root = "outputs"
	return d.columns()
}
