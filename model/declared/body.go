package declared

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"infer/internal/fault"
)

// maxBody bounds the file or body that Encode takes, in bytes; what it holds has limits of its own.
const maxBody = 256 << 20

// contentOf returns the image file or the text inside a body; of a body that holds several texts, all of them, and
// list is true for one that was written as a list.
func contentOf(body []byte, contentType string, kind Kind) (contents [][]byte, list bool, err error) {
	if len(body) > maxBody {
		return nil, false, fault.New(fault.TooLarge, "", "the body has %d bytes, over the limit of %d", len(body), maxBody)
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return nil, false, fault.New(fault.Media, "", "the content type %.80q: %w", contentType, err)
	}
	switch {
	case media == "multipart/form-data":
		if body, err = firstPart(body, params["boundary"]); err != nil {
			return nil, false, err
		}
	case kind == Text && (media == "application/json" || media != "text/plain" && looksJSON(body)):
		return jsonTexts(body)
	case media == "application/json":
		return nil, false, fault.New(fault.Media, `send the image file itself, or tensors as {"instances": …} or {"inputs": {…}}`, "the body is JSON, and the model takes an image")
	case strings.HasPrefix(media, "image/") && kind == Text:
		return nil, false, fault.New(fault.Media, "send text/plain", "the body is %s, and the model takes a text", media)
	}
	if len(body) == 0 {
		return nil, false, fault.New(fault.Usage, "", "the body is empty, and the model takes %s", article(kind))
	}
	if kind == Text && len(bytes.TrimSpace(body)) == 0 {
		return nil, false, errBlank()
	}
	return [][]byte{body}, false, nil
}

func errBlank() error {
	return fault.New(fault.Usage, "send a text", "the text has nothing but blanks")
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
