package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"unicode/utf8"

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
		return x.whichModel(err, model)
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
	switch form := formOf(body); {
	case form == formOIP:
		return x.inferOIP(info, body)
	case form == formText && takesText(info):
		contentType = "application/json"
	case form != formNone:
		return x.inferTFS(info, body)
	}
	return x.inferDeclared(info, body, contentType)
}

// whichModel says how to name a model where there are several and none was named.
func (x *exchange) whichModel(err error, model string) error {
	const most = 10
	if model != "" || fault.KindOf(err) != fault.NotFound {
		return err
	}
	names := x.modelNames()
	if len(names) < 2 {
		return err
	}
	hint := "POST /predictions/" + names[0]
	for _, name := range names[1:min(len(names), most)] {
		hint += ", /predictions/" + name
	}
	if len(names) > most {
		hint += " …; GET /v2/models lists all"
	}
	return fault.New(fault.NotFound, hint, "%w", err)
}

// takesText reports whether the declared input of a model is a text.
func takesText(info *repository.Info) bool {
	return info.Declared != nil && info.Declared.Kind() == declared.Text
}

// inferDeclared runs a file or texts through the declared input of the model, and answers with labels where the model
// declares them, else as TensorFlow Serving does for rows.
func (x *exchange) inferDeclared(info *repository.Info, body []byte, contentType string) error {
	if err := declares(info, body); err != nil {
		return err
	}
	io := info.Declared
	inputs, list, err := io.EncodeBody(body, contentType)
	if err != nil {
		return encodeError(err, io.Kind(), body, contentType)
	}
	x.req.Inputs = append(x.req.Inputs[:0], inputs...)
	if err := x.run(); err != nil {
		return err
	}
	if err := x.respond(info); err != nil {
		return err
	}
	var answer []byte
	switch {
	case !io.HasLabels():
		answer, err = wire.AppendTFS(x.buffer(), &x.resp, true)
	case list > 0:
		answer, err = x.labelLists(io, list)
	default:
		answer, err = x.labels(io)
	}
	if err != nil {
		return err
	}
	return x.deliver(info, jsonType, answer)
}

// tensorForms are the JSON bodies that every model takes.
const tensorForms = `{"instances": …}, {"inputs": {…}} and {"inputs": [{"name": …}]}`

// declares refuses a body that is none of the JSON forms where the model declares no other.
func declares(info *repository.Info, body []byte) error {
	if info.Declared != nil && info.Declared.Kind() != declared.None {
		return nil
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return fault.New(fault.Usage, "send one of "+tensorForms, "the body is empty")
	}
	return fault.New(fault.Usage, "write a MODEL.io.yaml beside the model to send it images or text",
		"the body is none of %s, and model '%s' declares no other", tensorForms, info.Name)
}

// encodeError adds to the error of a body that is no image what its sender probably meant. curl -d @FILE leaves line
// breaks and zero bytes out, without which hardly an image file is whole.
func encodeError(err error, kind declared.Kind, body []byte, contentType string) error {
	start, isJSON := after(body, '{')
	_, _, isKey := quoted(start)
	_, isEmpty := after(start, '}')
	switch {
	case kind != declared.Image || len(body) == 0:
		return err
	case contentType == formType && !utf8.Valid(body) && !bytes.ContainsAny(body, "\x00\r\n"):
		return fault.New(fault.KindOf(err), "curl -d leaves line breaks and zero bytes out: send the file with curl --data-binary @FILE", "%w", err)
	case isJSON && (isKey || isEmpty):
		return fault.New(fault.KindOf(err), "send the image file itself, as with curl --data-binary @photo.jpg, or tensors as one of "+tensorForms,
			"the body is JSON without any of their keys, and the model takes an image")
	case contentType == formType && utf8.Valid(body):
		return fault.New(fault.KindOf(err), "send the file itself, as with curl --data-binary @photo.jpg, or tensors as one of "+tensorForms, "%w", err)
	}
	return err
}

// formType is the content type that curl and others give a body of which they know nothing.
const formType = "application/x-www-form-urlencoded"

// labels writes what the outputs mean: {"labels": [{"label": …, "index": …, "score": …}]}; to clients of TorchServe as
// its image classifier does, {"label": score}, best first.
func (x *exchange) labels(io *declared.IO) ([]byte, error) {
	meaning, err := io.Decode(x.call.Outputs, 0)
	if err != nil {
		return nil, err
	}
	if x.end.torch {
		return appendScores(x.buffer(), meaning.Labels)
	}
	return json.Marshal(meaning)
}

// labelLists writes what each row of the outputs means: {"predictions": [[{"label": …, "index": …, "score": …}], …]}.
func (x *exchange) labelLists(io *declared.IO, rows int) ([]byte, error) {
	dst := append(x.buffer(), `{"predictions":[`...)
	for row := range rows {
		meaning, err := io.Decode(x.call.Outputs, row)
		if err != nil {
			return nil, err
		}
		if row > 0 {
			dst = append(dst, ',')
		}
		if x.end.torch {
			dst, err = appendScores(dst, meaning.Labels)
		} else {
			var list []byte
			list, err = json.Marshal(meaning.Labels)
			dst = append(dst, list...)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(dst, ']', '}'), nil
}

// appendScores appends labels as TorchServe writes them.
func appendScores(dst []byte, labels []declared.Label) ([]byte, error) {
	dst = append(dst, '{')
	for i, l := range labels {
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
	formText                 // the same with strings, which a model with a declared text takes as texts
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
			if holdsTexts(b) {
				return formText
			}
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
	if holdsTexts(b) {
		return formText
	}
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

// holdsTexts reports whether a value is a string or a list that begins with one, each also below the key "text".
func holdsTexts(b []byte) bool {
	b, _ = after(b, '[')
	if object, ok := after(b, '{'); ok {
		key, rest, ok := quoted(object)
		if !ok || string(key) != "text" {
			return false
		}
		if b, ok = after(rest, ':'); !ok {
			return false
		}
		b, _ = after(b, '[')
	}
	_, ok := after(b, '"')
	return ok
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
