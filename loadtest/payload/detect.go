package payload

import (
	"encoding/json"
	"os"
)

// IsPerfAnalyzer reports whether a file is JSON as NVIDIA's perf_analyzer takes it: an object whose "data" is a list of
// objects, or of lists of them. A row of JSON lines whose input is called data has numbers there.
func IsPerfAnalyzer(path string) bool {
	if checkRegular(path) != nil {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	d := json.NewDecoder(f)
	next := func() json.Token {
		t, err := d.Token()
		if err != nil {
			return nil
		}
		return t
	}
	if next() != json.Delim('{') || next() != "data" || next() != json.Delim('[') {
		return false
	}
	t := next()
	return t == json.Delim('{') || t == json.Delim('[') && next() == json.Delim('{')
}
