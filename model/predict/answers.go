package predict

import (
	"encoding/json"
	"io"
	"slices"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/model/declared"
	"infer/model/tensor"
)

// answer is one line of the file of answers.
type answer struct {
	Row  int64  `json:"row"`
	File string `json:"file,omitempty"`
	declared.Answer
}

// WriteAnswers writes what each row of a finished result means to a file, one JSON object a line. name gives the file
// that a row was made of, or "".
func WriteAnswers(path string, r Result, d *declared.IO, name func(row int64) string) error {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.Output == d.Output() })
	if i < 0 {
		return fault.New(fault.Internal, "", "the result lacks output %q, which the labels belong to", d.Output())
	}
	a, err := tensor.OpenNpy(r.Files[i].Path)
	if err != nil {
		return err
	}
	defer a.Close()
	return atomicfile.Write(path, func(w io.Writer) error {
		lines := json.NewEncoder(w)
		for lo := int64(0); lo < a.Rows(); lo += scoreChunk {
			t, err := a.Read(lo, min(lo+scoreChunk, a.Rows()))
			if err != nil {
				return err
			}
			t.Name = d.Output()
			for k := range tensor.Rows(t) {
				one, err := d.Decode([]tensor.Tensor{t}, int(k))
				if err != nil {
					return fault.Wrap(err, "row %d", lo+k)
				}
				if err := lines.Encode(answer{lo + k, name(lo + k), one}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
