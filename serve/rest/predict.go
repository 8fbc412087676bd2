package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"strconv"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/declared"
	"infer/serve/repository"
)

// predict answers POST /predict and SageMaker's /invocations: the only model, or the one that Options.Default names.
func (x *exchange) predict() error { return x.predictWith(x.s.o.Default, "") }

// predictTorch answers TorchServe's POST /predictions/M[/V].
func (x *exchange) predictTorch() error {
	return x.predictWith(view(x.route.model), view(x.route.version))
}

// predictWith answers in the form that it was asked in: TensorFlow Serving's, the Open Inference Protocol's, or with
// labels where the body is what the model declares as its input.
func (x *exchange) predictWith(model, version string) error {
	info, err := x.open(model, version)
	if err != nil {
		return err
	}
	body, err := x.body()
	if err != nil {
		return err
	}
	if x.head.jsonLen != nil {
		return x.inferOIP(info, body)
	}
	contentType := view(x.head.contentType)
	if bytes.HasPrefix(x.head.contentType, []byte("multipart/")) {
		if body, contentType, err = filePart(body, contentType); err != nil {
			return err
		}
	}
	switch formOf(body) {
	case formOIP:
		return x.inferOIP(info, body)
	case formTFS:
		return x.inferTFS(info, body)
	}
	return x.inferDeclared(info, body, contentType)
}

// inferDeclared runs a file or a text through the declared input of the model, and answers with labels where the model
// declares them, else as TensorFlow Serving does for a row.
func (x *exchange) inferDeclared(info *repository.Info, body []byte, contentType string) error {
	io := info.Declared
	if io == nil || io.Kind() == declared.None {
		return fault.New(fault.Usage, "write a MODEL.io.yaml beside the model to send it images or text",
			`the body is none of {"instances": …}, {"inputs": {…}} and {"inputs": [{"name": …}]}, and model '%s' declares no other`,
			info.Name)
	}
	inputs, err := io.Encode(body, contentType)
	if err != nil {
		return err
	}
	x.req.Inputs = append(x.req.Inputs[:0], inputs...)
	if err := x.run(); err != nil {
		return err
	}
	if err := x.respond(info); err != nil {
		return err
	}
	var answer []byte
	if io.HasLabels() {
		answer, err = x.labels(io)
	} else {
		answer, err = wire.AppendTFS(x.buffer(), &x.resp, true)
	}
	if err != nil {
		return err
	}
	return x.deliver(info, jsonType, answer)
}

// labels writes what the outputs mean: {"labels": [{"label": …, "index": …, "score": …}]}; to clients of TorchServe as
// its image classifier does, {"label": score}, best first.
func (x *exchange) labels(io *declared.IO) ([]byte, error) {
	meaning, err := io.Decode(x.call.Outputs, 0)
	if err != nil {
		return nil, err
	}
	if !x.end.torch {
		return json.Marshal(meaning)
	}
	dst := append(x.buffer(), '{')
	for i, l := range meaning.Labels {
		name, err := json.Marshal(l.Label)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, name...), ':')
		dst = strconv.AppendFloat(dst, l.Score, 'g', -1, 64)
	}
	return append(dst, '}'), nil
}

// filePart returns the file of a form as browsers and curl -F send it, and its content type: the first part that has
// a file name, else the first part.
func filePart(body []byte, contentType string) (data []byte, partType string, err error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return nil, "", fault.New(fault.Usage, "", "content type %q has no usable boundary", contentType)
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	found := false
	for {
		part, err := form.NextPart()
		if err == io.EOF && found {
			return data, partType, nil
		}
		if err != nil {
			return nil, "", fault.New(fault.Usage, "", "the form has no file, or is cut off: %w", err)
		}
		if found && part.FileName() == "" {
			continue
		}
		if data, err = io.ReadAll(part); err != nil {
			return nil, "", fault.New(fault.Usage, "", "part %q of the form is cut off: %w", part.FormName(), err)
		}
		found, partType = true, part.Header.Get("Content-Type")
		if part.FileName() != "" {
			return data, partType, nil
		}
	}
}

// bodyForm is the protocol that a JSON body is written in.
type bodyForm int

const (
	formNone bodyForm = iota // no JSON object, or one without any of the keys
	formOIP                  // {"inputs": [{"name": …, "shape": …}, …]}
	formTFS                  // {"instances": …}, {"inputs": {…}}, {"inputs": [[…]]}
)

// formOf tells the protocols apart by their keys. It reads no further than it must, in one pass without memory, and
// leaves it to the decoder to find what is wrong with the JSON.
func formOf(body []byte) bodyForm {
	b, ok := after(body, '{')
	for ok {
		var key []byte
		if key, b, ok = quoted(b); !ok {
			return formNone
		}
		if b, ok = after(b, ':'); !ok {
			return formNone
		}
		switch string(key) {
		case "instances":
			return formTFS
		case "inputs":
			return formOfInputs(b)
		}
		if b, ok = skipValue(b); ok {
			b, ok = after(b, ',')
		}
	}
	return formNone
}

// formOfInputs tells a list of tensors, the objects of the Open Inference Protocol, from values: objects too, where
// they are base64.
func formOfInputs(b []byte) bodyForm {
	list, ok := after(b, '[')
	if !ok {
		return formTFS
	}
	if _, empty := after(list, ']'); empty {
		return formOIP
	}
	object, ok := after(list, '{')
	if !ok {
		return formTFS
	}
	if key, _, ok := quoted(object); ok && string(key) == "b64" {
		return formTFS
	}
	return formOIP
}

// after skips white space and then c; false where something else stands there.
func after(b []byte, c byte) ([]byte, bool) {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != c {
		return b, false
	}
	return b[1:], true
}

// quoted takes a JSON string from the front, without its quotes, escapes as they stand.
func quoted(b []byte) (s, rest []byte, ok bool) {
	b, ok = after(b, '"')
	if !ok {
		return nil, b, false
	}
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

// skipValue skips a JSON value up to the comma or brace that ends it.
func skipValue(b []byte) ([]byte, bool) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			_, rest, ok := quoted(b[i:])
			if !ok {
				return nil, false
			}
			i = len(b) - len(rest) - 1
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return b[i:], true
			}
			depth--
		case ',':
			if depth == 0 {
				return b[i:], true
			}
		}
	}
	return nil, false
}
