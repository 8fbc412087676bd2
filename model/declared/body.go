package declared

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"infer/internal/fault"
)

// maxBody bounds the file or body that Encode takes, in bytes; what it holds has limits of its own.
const maxBody = 256 << 20

// contentOf returns the image file or the text inside a body.
func contentOf(body []byte, contentType string, kind Kind) ([]byte, error) {
	if len(body) > maxBody {
		return nil, fault.New(fault.TooLarge, "", "the body has %d bytes, over the limit of %d", len(body), maxBody)
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return nil, fault.New(fault.Media, "", "the content type %.80q: %w", contentType, err)
	}
	switch {
	case media == "multipart/form-data":
		if body, err = firstPart(body, params["boundary"]); err != nil {
			return nil, err
		}
	case media == "application/json" && kind == Text:
		return jsonText(body)
	case media == "application/json":
		return nil, fault.New(fault.Media, "send the image file itself, or tensors to the model's own address", "the body is JSON, and the model takes an image")
	case strings.HasPrefix(media, "image/") && kind == Text:
		return nil, fault.New(fault.Media, "send text/plain", "the body is %s, and the model takes a text", media)
	}
	if len(body) == 0 {
		return nil, fault.New(fault.Usage, "", "the body is empty, and the model takes %s", article(kind))
	}
	return body, nil
}

func article(k Kind) string {
	if k == Image {
		return "an image"
	}
	return "a text"
}

// firstPart returns the content of the first part of a form that has any, as curl -F image=@photo.jpg sends it.
func firstPart(body []byte, boundary string) ([]byte, error) {
	const hint = "send one file or field"
	if boundary == "" {
		return nil, fault.New(fault.Usage, hint, "the form has no boundary")
	}
	part, err := multipart.NewReader(bytes.NewReader(body), boundary).NextPart()
	if err != nil {
		return nil, fault.New(fault.Usage, hint, "the form: %w", err)
	}
	content, err := io.ReadAll(part)
	if err != nil {
		return nil, fault.New(fault.Usage, hint, "the form: %w", err)
	}
	return content, nil
}

// jsonText returns a JSON string, or the member "text" of an object.
func jsonText(body []byte) ([]byte, error) {
	var text *string
	if err := json.Unmarshal(body, &text); err == nil && text != nil {
		return []byte(*text), nil
	}
	var object struct {
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(body, &object); err != nil || object.Text == nil {
		return nil, fault.New(fault.Usage, `send {"text": "…"}, or the text itself as text/plain`, "the JSON body has no text")
	}
	return []byte(*object.Text), nil
}
