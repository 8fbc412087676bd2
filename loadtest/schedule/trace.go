package schedule

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
)

// The bounds of a trace file.
const (
	maxTraceLine = 4 << 20   // bytes: mooncake's lines list every block of a prompt
	maxMoments   = 100000000 // 800 MB of them
	maxMoment    = 9e18      // nanoseconds
	maxSeconds   = 1e11      // what is more is milliseconds
)

const traceHint = "a trace is CSV with seconds, dates or milliseconds since 1970 in its first column or in one named time or timestamp, or JSON lines with \"timestamp\" in milliseconds or \"time\" in seconds or either as a date"

// ReadTrace reads the trace in a file, as ParseTrace does.
func ReadTrace(path string, speed float64) ([]time.Duration, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() { // opening a pipe waits, and a device may have no end
		return nil, fault.New(fault.Usage, "copy it into a file first", "trace %q: it is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "give the path of a trace: "+traceHint, "open trace: %w", err)
	}
	defer f.Close()
	moments, err := ParseTrace(f, speed)
	return moments, fault.Wrap(err, "trace %q", path)
}

// ParseTrace reads when requests came, for Options.Trace: sorted, from 0 on, speed times as fast. It knows
//
//   - JSON lines, each an object with "timestamp" in milliseconds (traces of mooncake) or "time" in seconds;
//   - CSV, with a header that has a column named timestamp or time, in any case (Azure's and BurstGPT's traces), or
//     without a header and with the moment in its first column. Moments are seconds; those above 1e11, which would be
//     3000 years, are milliseconds since 1970.
//
// Both may have dates like 2024-05-10 00:00:00.009930 or 2024-05-10T00:00:00Z instead of numbers. A trace needs two
// moments that differ: one alone has no rate.
//
// Numbers without a header and one to a line could as well be gaps between requests (perf_analyzer's
// --request-intervals has microseconds), so these must ascend and may not all be the same. Errors name the line and
// are of kind fault.Usage.
func ParseTrace(r io.Reader, speed float64) ([]time.Duration, error) {
	if !(speed >= 1e-6 && speed <= 1e6) {
		return nil, fault.New(fault.Usage, "--speed 2 sends a trace in half its time", "a speed of %v: not within 1e-6 and 1e6", speed)
	}
	p := traceParser{column: -1, ascending: true}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTraceLine)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := p.line(line); err != nil {
			return nil, fault.New(fault.Usage, traceHint, "line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fault.New(fault.Usage, traceHint, "line %d: %w", n+1, err)
	}
	return p.finish(speed)
}

// traceParser is what is known of a trace so far.
type traceParser struct {
	moments   []int64 // nanoseconds since anything
	json      bool
	column    int  // of CSV; -1: nothing was read yet
	bare      bool // one number a line, no header
	ascending bool
}

func (p *traceParser) line(line []byte) error {
	if p.column < 0 {
		p.column = 0
		p.json = line[0] == '{'
		if !p.json {
			header, err := p.header(string(line))
			if err != nil {
				return err
			}
			p.bare = !header && !bytes.ContainsRune(line, ',')
			if header {
				return nil
			}
		}
	}
	var at int64
	var err error
	if p.json {
		at, err = jsonMoment(line)
	} else {
		at, err = csvMoment(line, p.column)
	}
	if err != nil {
		return err
	}
	if len(p.moments) == maxMoments {
		return errors.New("more than 100 million requests")
	}
	if n := len(p.moments); n > 0 && at < p.moments[n-1] {
		p.ascending = false
	}
	p.moments = append(p.moments, at)
	return nil
}

// header reports whether the first line is one, and notes which column has the moments. A header without a name that
// is known is an error: any column might be meant.
func (p *traceParser) header(line string) (bool, error) {
	names := strings.Split(line, ",")
	for i, name := range names {
		switch strings.ToLower(unquote(name)) {
		case "timestamp", "time":
			p.column = i
			return true, nil
		}
	}
	if _, err := parseMoment(unquote(names[0]), 9); err != nil {
		return false, errors.New(strconv.Quote(cut(line, 60)) + " is neither a moment nor a header with a column named time or timestamp")
	}
	return false, nil
}

func unquote(cell string) string {
	cell = strings.TrimSpace(cell)
	if len(cell) >= 2 && cell[0] == '"' && cell[len(cell)-1] == '"' {
		cell = strings.TrimSpace(cell[1 : len(cell)-1])
	}
	return cell
}

// csvMoment reads one cell of a line. Cells with commas in quotes before it are not expected: it refuses what is then
// no number.
func csvMoment(line []byte, column int) (int64, error) {
	for range column {
		comma := bytes.IndexByte(line, ',')
		if comma < 0 {
			return 0, errors.New("too few columns")
		}
		line = line[comma+1:]
	}
	cell, _, _ := bytes.Cut(line, []byte(","))
	return parseMoment(unquote(string(cell)), 9)
}

// jsonMoment reads one line of JSON.
func jsonMoment(line []byte) (int64, error) {
	var o struct {
		Timestamp json.RawMessage `json:"timestamp"`
		Time      json.RawMessage `json:"time"`
	}
	if json.Unmarshal(line, &o) != nil {
		return 0, errors.New("no JSON object: " + strconv.Quote(cut(string(line), 60)))
	}
	switch {
	case there(o.Timestamp):
		return jsonValue(o.Timestamp, 6)
	case there(o.Time):
		return jsonValue(o.Time, 9)
	}
	return 0, errors.New("neither \"timestamp\" nor \"time\"")
}

// there reports whether an object of JSON has a value.
func there(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// jsonValue reads a number of 10^digits nanoseconds, or a text with one or with a date.
func jsonValue(raw json.RawMessage, digits int) (int64, error) {
	text := string(raw)
	if raw[0] == '"' && json.Unmarshal(raw, &text) != nil {
		return 0, noMoment(text)
	}
	return parseMoment(text, digits)
}

// dates are the ways in which traces write moments that are no numbers. Fractions of a second may follow.
var dates = [...]string{time.DateTime, "2006-01-02 15:04:05Z07:00", time.RFC3339, "2006-01-02T15:04:05"}

// parseMoment reads a date, or a number of 10^digits nanoseconds.
func parseMoment(cell string, digits int) (int64, error) {
	if ns, err := nanoseconds(cell, digits); err == nil {
		return ns, nil
	}
	for _, layout := range dates {
		if t, err := time.Parse(layout, cell); err == nil && t.Year() > 1900 && t.Year() < 2200 {
			return t.UnixNano(), nil
		}
	}
	return 0, noMoment(cell)
}

func noMoment(text string) error { return errors.New(strconv.Quote(cut(text, 60)) + " is no moment") }

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// nanoseconds converts a decimal number with a unit of 10^digits nanoseconds to the nearest one. Seconds since 1970 with
// nine digits behind the point are more than a float holds, so plain numbers are read as integers. Seconds above
// maxSeconds are milliseconds.
func nanoseconds(text string, digits int) (int64, error) {
	v, err := decimal(text)
	if err != nil {
		return 0, err
	}
	if digits == 9 && math.Abs(v) > maxSeconds {
		digits = 6
	}
	if whole, part, _ := strings.Cut(text, "."); len(part) <= digits {
		if ns, err := strconv.ParseInt(whole+part+strings.Repeat("0", digits-len(part)), 10, 64); err == nil && ns <= maxMoment && ns >= -maxMoment {
			return ns, nil
		}
	}
	ns := math.Round(v * math.Pow10(digits))
	if !(ns >= -maxMoment && ns <= maxMoment) {
		return 0, noMoment(text)
	}
	return int64(ns), nil
}

// finish sorts the moments and lets them begin at 0.
func (p *traceParser) finish(speed float64) ([]time.Duration, error) {
	n := len(p.moments)
	if n == 0 {
		return nil, fault.New(fault.Usage, traceHint, "no moment in it")
	}
	if p.bare && n > 1 && (!p.ascending || p.moments[0] == p.moments[n-1]) {
		return nil, fault.New(fault.Usage, "add up the gaps, or give the column a header (time) if these are moments",
			"numbers that do not ascend: gaps between requests rather than moments")
	}
	slices.Sort(p.moments)
	first, last := p.moments[0], p.moments[n-1]
	if first == last {
		return nil, fault.New(fault.Usage, "one moment has no rate; to send requests at once use --concurrency", "%d of one moment: a trace needs two moments that differ", n)
	}
	if span := (float64(last) - float64(first)) / speed; span > float64(MaxDuration) {
		return nil, fault.New(fault.Usage, "use --speed, or cut the trace; its moments are taken for seconds", "%.3g h long: more than %.0f h", span/float64(time.Hour), MaxDuration.Hours())
	}
	moments := make([]time.Duration, n)
	for i, at := range p.moments {
		moments[i] = time.Duration(at - first)
		if speed != 1 {
			// Before the division the difference may be more than an int64 holds.
			moments[i] = time.Duration(math.Round(float64(uint64(at-first)) / speed))
		}
	}
	return moments, nil
}
