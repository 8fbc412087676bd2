package trace

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// nsightHint says what of Nsight Systems can be read.
const nsightHint = "export it with: nsys export --type json, or nsys stats --report cuda_gpu_kern_sum --format csv"

// nsightLine is one line of "nsys export --type json": the texts that names refer to by number, or an event. Times
// are nanoseconds.
type nsightLine struct {
	Data  []string `json:"data"`
	Event *struct {
		Begin    nsightInt                                      `json:"startNs"`
		End      nsightInt                                      `json:"endNs"`
		Device   nsightInt                                      `json:"deviceId"`
		Stream   nsightInt                                      `json:"streamId"`
		Kernel   *struct{ DemangledName, ShortName nsightText } `json:"kernel"`
		Copy     *struct{}                                      `json:"memcpy"`
		Clearing *struct{}                                      `json:"memset"`
	} `json:"CudaEvent"`
}

// nsightInt is a number that may stand in quotes.
type nsightInt int64

func (n *nsightInt) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err == nil {
		*n = nsightInt(v)
	}
	return nil
}

// nsightText is a text, or the number of one.
type nsightText string

func (s *nsightText) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		text = string(b)
	}
	*s = nsightText(text)
	return nil
}

// nsight reads the lines of "nsys export --type json": kernels, copies and memsets of the devices. The file is one run.
// Ref: lines as documented by those who read them; no Nsight Systems was at hand to write one.
func (r *reader) nsight() error {
	r.t.Format = Nsight
	lines := json.NewDecoder(r.w.rest())
	var names []string
	var calls []call
	for {
		var line nsightLine
		err := lines.Decode(&line)
		if err == io.EOF {
			break
		}
		if err != nil {
			r.t.Cut = true
			if !errors.Is(err, io.ErrUnexpectedEOF) && len(calls) == 0 {
				return fault.New(fault.Usage, nsightHint, "a line of Nsight Systems is no JSON: %w", err)
			}
			break
		}
		r.t.Events++
		if len(line.Data) > 0 {
			names = line.Data
		}
		if e := line.Event; e != nil && e.End > e.Begin {
			name := "[CUDA memcpy]"
			switch {
			case e.Kernel != nil:
				name = lookUp(names, e.Kernel.DemangledName, e.Kernel.ShortName)
			case e.Clearing != nil:
				name = "[CUDA memset]"
			case e.Copy == nil:
				continue // waits and marks
			}
			calls = append(calls, call{node: r.spans.device(name), thread: int64(e.Device)<<32 | int64(e.Stream), begin: int64(e.Begin), dur: int64(e.End - e.Begin)})
		}
	}
	if len(calls) == 0 {
		return fault.New(fault.Usage, "profile with nsys profile --trace cuda", "this export of Nsight Systems holds no kernel of a GPU")
	}
	begin, end := extent(calls)
	r.spans.endRun(calls, begin, end)
	r.spans.fold.finish()
	r.t.note("kernels and copies of the devices alone are read; the whole file is one run")
	return nil
}

// lookUp returns the first of names that is there, by number where it is one.
func lookUp(texts []string, names ...nsightText) string {
	for _, n := range names {
		if i, err := strconv.Atoi(string(n)); err == nil && i >= 0 && i < len(texts) {
			return texts[i]
		}
		if n != "" {
			return string(n)
		}
	}
	return "(unnamed kernel)"
}

// device returns the node of a kernel.
func (f *spanFold) device(name string) int32 {
	return f.find([]byte(name), func() *Node { return &Node{Name: name, Op: name, Provider: onDevice} })
}

// headSize is how much of a file is looked at to tell what it is.
const headSize = 64 << 10

// other reads what is no JSON: a table of "nsys stats" as CSV, behind the lines that nsys may print first.
func (r *reader) other() error {
	head := r.w.peek(headSize)
	for at := 0; at < len(head); {
		line, _, _ := bytes.Cut(head[at:], []byte("\n"))
		if columns := strings.Split(strings.TrimSpace(string(line)), ","); isTable(columns) {
			r.w.pos += at
			return r.table()
		}
		at += len(line) + 1
	}
	return unknown(head)
}

// unknown says what a file that is no trace seems to be.
func unknown(head []byte) error {
	switch {
	case len(head) == 0:
		return fault.New(fault.Usage, hint, "the file is empty")
	case bytes.HasPrefix(head, []byte("SQLite format 3")):
		return fault.New(fault.Unsupported, nsightHint, "it is an SQLite database, such as Nsight Systems has")
	case head[0] == 0x08 && bytes.IndexByte(head[:min(len(head), 400)], ':') >= 0:
		return fault.New(fault.Usage, "name the trace behind --from-trace, and the model as the operand", "it seems to be an ONNX model, no trace")
	case bytes.IndexByte(head, 0) >= 0:
		return fault.New(fault.Unsupported, hint+"; of Nsight Systems: "+nsightHint, "it is a binary file, no trace in JSON")
	}
	return fault.New(fault.Usage, hint, "it is no JSON")
}

// isTable reports whether columns are those of a table of times by Nsight Systems.
func isTable(columns []string) bool {
	return (find(columns, "Total Time (") >= 0 || find(columns, "Duration (") >= 0 && find(columns, "Start (") >= 0) && nameColumn(columns) >= 0
}

// find returns the column whose head begins so, -1 where there is none.
func find(columns []string, head string) int {
	return slices.IndexFunc(columns, func(c string) bool { return strings.HasPrefix(strings.Trim(c, ` "`), head) })
}

func nameColumn(columns []string) int {
	for _, head := range []string{"Name", "Kernel Name", "Range", "Operation"} {
		if i := find(columns, head); i >= 0 {
			return i
		}
	}
	return -1
}

// units are the seconds of what stands in the brackets of a column's head.
func unitOf(column string) float64 {
	_, unit, _ := strings.Cut(strings.TrimRight(column, `) "`), "(")
	switch unit {
	case "us", "usec", "µs":
		return 1e-6
	case "ms", "msec":
		return 1e-3
	case "s", "sec":
		return 1
	}
	return 1e-9
}

// table reads a table: one row a name with its sum (the …_sum reports), or one row a call (the …_trace reports). The
// file is one run.
func (r *reader) table() error {
	r.t.Format = Nsight
	rows := csv.NewReader(r.w.rest())
	rows.FieldsPerRecord, rows.LazyQuotes, rows.ReuseRecord = -1, true, true
	head, err := rows.Read()
	if err != nil {
		return fault.New(fault.Usage, nsightHint, "its table cannot be read: %w", err)
	}
	columns := slices.Clone(head)
	time, name := find(columns, "Total Time ("), nameColumn(columns)
	count := max(find(columns, "Instances"), find(columns, "Num Calls"), find(columns, "Count"), find(columns, "Kern Inst"))
	if time < 0 {
		time, count = find(columns, "Duration ("), -1
	}
	unit := unitOf(columns[time])
	total := 0.0
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			r.t.Cut = true
			break
		}
		if len(row) <= max(time, name, count) {
			continue // a blank line, or what nsys prints around its tables
		}
		ticks, err := strconv.ParseFloat(strings.ReplaceAll(row[time], ",", ""), 64)
		if err != nil || !(ticks >= 0 && ticks < 1e18) {
			continue
		}
		r.t.Events++
		n := r.spans.nodes[r.spans.device(strings.Clone(row[name]))]
		calls := 1
		if count >= 0 {
			calls, _ = strconv.Atoi(row[count])
		}
		n.Calls += max(calls, 1)
		addAt(&n.Seconds, 0, ticks*unit)
		total += ticks * unit
	}
	if r.t.Events == 0 {
		return fault.New(fault.Usage, nsightHint, "its table of Nsight Systems has no row with a time")
	}
	r.t.Whole, r.t.RunSeconds = 1, []float64{total}
	r.spans.fold.finish()
	r.t.note("a table of sums: the whole profile is one run, as long as its rows together")
	return nil
}
