package declared

import (
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

// TestTexts: a text in JSON is not taken for the text itself, whatever the content type says that clients send by
// themselves, and several texts become the rows of one run.
func TestTexts(t *testing.T) {
	x := textIO(t, "", idsOnly...)
	const one, two = "input_ids 1x4 [2 4 5 3]", "input_ids 2x4 [2 4 5 3 2 4 3 0]"
	for _, c := range []struct {
		name, body, contentType, want string
		list                          int
	}{
		{"object", `{"text": "my card"}`, "", one, 0},
		{"object as curl sends it", ` {"id": 7, "text": "my card"}`, "application/x-www-form-urlencoded", one, 0},
		{"string", `"my card"`, "", one, 0},
		{"a sentence that begins with quotation marks", `"my" card`, "", one, 0},
		{"a sentence in brackets", `[my] card`, "", one, 0},
		{"rows", `{"instances": ["my card", "my"]}`, "", two, 2},
		{"a list of one", `{"instances": ["my card"]}`, "", one, 1},
		{"rows by name", `{"instances": [{"text": "my card"}, {"text": "my"}]}`, "application/json", two, 2},
		{"columns", `{"inputs": {"text": ["my card", "my"]}}`, "", two, 2},
		{"a bare column", `{"inputs": ["my card", "my"]}`, "", two, 2},
		{"one value", `{"inputs": "my card"}`, "", one, 1},
		{"texts", `{"text": ["my card", "my"]}`, "", two, 2},
		{"an object that is meant as text", `{"text": 1}`, "text/plain", "input_ids 1x3 [2 1 3]", 0},
	} {
		inputs, list, err := x.EncodeBody([]byte(c.body), c.contentType)
		if err != nil || list != c.list || describe(t, inputs) != c.want {
			t.Errorf("%s: %v of %d, %v; want %s of %d", c.name, inputs, list, err, c.want, c.list)
		}
	}
	for _, c := range []struct {
		name, body string
		kind       fault.Kind
		says       string
	}{
		{"blanks", " \n\t ", fault.Usage, "blanks"},
		{"blanks in JSON", `{"text": " "}`, fault.Usage, "blanks"},
		{"blanks in a list", `{"instances": ["my", " "]}`, fault.Usage, "text 1: the text has nothing but blanks"},
		{"another object", `{"txt": "my card"}`, fault.Usage, "no text"},
		{"no object", `{}`, fault.Usage, "no text"},
		{"cut off", `{"text": "my`, fault.Usage, "the JSON body"},
		{"a bare list", `["my", "card"]`, fault.Usage, "no text"},
		{"an empty list", `{"instances": []}`, fault.Usage, "empty"},
		{"numbers", `{"instances": [1, 2]}`, fault.Usage, "text 0: it is no string"},
		{"nested", `{"instances": [["my"]]}`, fault.Usage, "text 0: it is no string"},
		{"null", `{"inputs": {"text": null}}`, fault.Usage, "no text"},
		{"too many", `{"instances": ["my"` + strings.Repeat(`,"my"`, maxTexts) + `]}`, fault.TooLarge, "more texts than the limit"},
		{"too long together", `{"instances": ["` + strings.Repeat("my ", 2000) + `"` + strings.Repeat(`,"my"`, 999) + `]}`, fault.TooLarge, "over the limit of 1048576 ids"},
	} {
		if _, _, err := x.EncodeBody([]byte(c.body), ""); err == nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	if _, err := x.Encode([]byte(`{"text": ["my", "card"]}`), ""); fault.KindOf(err) != fault.Usage {
		t.Errorf("two texts where one is asked for: %v", err)
	}
	single := textIO(t, "", ports(port("input_ids", tensor.Int64, "s"))...)
	if _, _, err := single.EncodeBody([]byte(`{"instances": ["my", "card"]}`), ""); fault.KindOf(err) != fault.Usage {
		t.Errorf("two texts for a model without a batch axis: %v", err)
	}
}

// TestBinaryVocabulary: a file that is no text is not searched for tokens.
func TestBinaryVocabulary(t *testing.T) {
	for _, content := range []string{"[UNK]\n\xff\xfe", "[UNK]\n\x00"} {
		path := folderWith(t, map[string]string{"v.txt": content, "model.io.yaml": "text: {vocab: v.txt}"})
		if _, err := Open(path, idsOnly, scores); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "not UTF-8 text") {
			t.Errorf("%q: %v", content, err)
		}
	}
}
