// Package foreign owns the results of other load generators: it reads what perf_analyzer, Locust, wrk and vegeta write as
// documents of kind "loadtest", so that they can be compared, judged and shown like those of this program.
package foreign

import (
	"bytes"
	"regexp"

	"infer/internal/fault"
	"infer/report"
)

// sniffed is how much of a file Detect looks at.
const sniffed = 64 << 10

// format is a kind of file that one of the tools writes.
type format struct {
	name string
	is   *regexp.Regexp // of its beginning
	read func(b []byte) (*load, error)
}

// formats are all that Detect knows, each with what it is told by. Those that hold too little to make a document of are
// there as well, for an error that says which file to give instead.
func formats() []format {
	re := regexp.MustCompile
	return []format{
		{"perf_analyzer CSV", re(`^(?:Concurrency|Request Rate),Inferences/Second,`), readPerfCSV},
		{"perf_analyzer profile export", re(`^\{\s*"experiments"\s*:`), readPerfExport},
		{"Locust statistics CSV", re(`^"?Type"?,"?Name"?,"?(?:Request Count|# requests)"?,`), readLocust},
		{"wrk text", re(`(?m)^Running \S+ test @ \S+\s*$`), readWrk},
		{"vegeta JSON report", re(`^\{\s*"latencies"\s*:`), readVegetaReport},
		{"vegeta results in JSON lines", re(`^\{\s*"attack"\s*:`), readVegetaJSON},
		{"vegeta results in CSV", re(`^\d{15,19},\d{1,3},-?\d+,\d+,\d+,`), readVegetaCSV},

		{"Locust history CSV", re(`^"?Timestamp"?,"?User Count"?,"?Type"?,`), instead("its percentiles are of the last seconds before each line, not of the run", "give the file that ends in _stats.csv")},
		{"Locust failures CSV", re(`^"?(?:Method"?,"?Name"?,"?Error"?,|Count"?,"?Message"?,"?Traceback"?,)`), instead("it holds no latencies", "give the file that ends in _stats.csv")},
		{"vegeta binary results", re(`(?s)^.{3,8}\x06Result\x01`), instead("only vegeta itself reads them", "vegeta encode --to json FILE > results.json")},
		{"vegeta text report", re(`^Requests\s+\[total, rate, throughput\]`), instead("its figures are rounded, for people", "vegeta report -type=json FILE > report.json")},
	}
}

// instead refuses a file of a known tool.
func instead(why, hint string) func([]byte) (*load, error) {
	return func([]byte) (*load, error) { return nil, fault.New(fault.Usage, hint, "%s", why) }
}

// Detect returns the name of the format of b, such as "wrk text", by its first 64 KiB; ok is false where it is none of
// the tools'. Read still refuses what is damaged, and a few files that hold too little, with a hint at the right one.
func Detect(b []byte) (format string, ok bool) {
	f := detect(b)
	if f == nil {
		return "", false
	}
	return f.name, true
}

func detect(b []byte) *format {
	b = trimmed(b)
	b = b[:min(len(b), sniffed)]
	for _, f := range formats() {
		if f.is.Match(b) {
			return &f
		}
	}
	return nil
}

// trimmed is b without a byte order mark and blanks around it. A line feed at the end stays: without it a line is cut.
func trimmed(b []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
}

// Read reads b, a whole file, as a document of kind "loadtest". Its metrics are those that the tool wrote or that follow
// from what it wrote, in base units; a percentile has an interval where the tool told the latency of every request.
// Warnings say from when on the tool counts latency, and what else its figures are. The manifest names the tool in place
// of this program, and knows nothing of the machine, as no tool tells it. The document was created when the first request
// was sent where the tool tells that, else now.
//
// Where the tool did not say how many requests stand behind a figure, its n is 0.
//
// What is none of the formats, truncated, or empty is a fault.Usage error that names what is missing.
func Read(b []byte) (*report.Document, error) {
	f := detect(b)
	if f == nil {
		return nil, fault.New(fault.Usage, "give perf_analyzer's -f or --profile-export-file, Locust's _stats.csv, the output of wrk, or vegeta's JSON report or encoded results",
			"it is of no load generator that is known here")
	}
	if len(b) > report.MaxBytes {
		return nil, fault.New(fault.Usage, "give a shorter run", "%s: it is larger than %d MiB", f.name, report.MaxBytes>>20)
	}
	l, err := f.read(trimmed(b))
	if err != nil {
		return nil, fault.Wrap(err, "%s", f.name)
	}
	d, err := l.document(f.name)
	return d, fault.Wrap(err, "%s", f.name)
}

// missing is the error about a file that lacks something.
func missing(formatted string, args ...any) error {
	return fault.New(fault.Usage, "give the whole file, as the tool wrote it", formatted, args...)
}
