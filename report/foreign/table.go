package foreign

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// table is a CSV file with a line of names.
type table struct {
	names []string
	rows  [][]string
}

// readTable reads a CSV file whose last line ends, and whose rows have as many fields as there are names. A blank at the
// end of the names, as a comma there makes it, is none.
func readTable(b []byte) (*table, error) {
	if !bytes.HasSuffix(b, []byte("\n")) {
		return nil, missing("its last line does not end: the file is cut")
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.FieldsPerRecord = -1
	t := &table{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, missing("its table is broken: %w", err)
		}
		line, _ := r.FieldPos(0)
		switch {
		case t.names == nil:
			t.names = row
		case len(row) != len(t.names):
			return nil, missing("line %d has %d fields, not the %d of the first line: the file is cut or damaged", line, len(row), len(t.names))
		default:
			t.rows = append(t.rows, row)
		}
	}
	if len(t.rows) == 0 {
		return nil, missing("it has no line with figures")
	}
	return t, nil
}

// column is where a name stands, -1 for nowhere.
func (t *table) column(name string) int { return slices.Index(t.names, name) }

// need returns where the names stand, or an error that names those that are missing.
func (t *table) need(names ...string) error {
	var gone []string
	for _, n := range names {
		if t.column(n) < 0 {
			gone = append(gone, strconv.Quote(n))
		}
	}
	if len(gone) > 0 {
		return missing("it has no column %s", strings.Join(gone, ", "))
	}
	return nil
}

// number is the field of a row called name. ok is false where there is no such column; it is an error where the field is
// no number that is finite and not negative.
func (t *table) number(row []string, name string) (v float64, ok bool, err error) {
	i := t.column(name)
	if i < 0 {
		return 0, false, nil
	}
	v, err = strconv.ParseFloat(strings.TrimSpace(row[i]), 64)
	if err != nil {
		return 0, false, missing("%s is %q, no number", name, row[i])
	}
	return v, true, sound(name, v)
}
