package trtexec

import (
	"regexp"
	"strconv"
	"strings"
)

// Distribution is what trtexec prints of one kind of time, in seconds.
type Distribution struct {
	Min, Max, Mean, Median float64
	Percentiles            []Percentile // in the order in which they were printed
}

// Percentile is one of a Distribution.
type Percentile struct{ Percent, Seconds float64 }

// Summary is what a run of trtexec prints in figures. What was not printed is zero.
type Summary struct {
	Version     Version
	GPU         string  // "NVIDIA H100 80GB HBM3"
	Compute     string  // compute capability, "9.0"
	BuildTime   float64 // s
	EngineBytes float64 // as printed, in MiB with six digits: not exact
	Queries     int     // timed
	Throughput  float64 // 1/s
	Wall        float64 // s
	Latency     *Distribution
	Enqueue     *Distribution
	H2D         *Distribution
	OnGPU       *Distribution // the kernels
	D2H         *Distribution
	Warnings    []string // that its figures may mislead, one line each
	Outcome     string   // "PASSED", "FAILED", or "" where it did not come to say
}

var (
	gpuLine     = regexp.MustCompile(`Selected Device: (.+)$`)
	computeLine = regexp.MustCompile(`Compute Capability: (\d+\.\d+)`)
	builtLine   = regexp.MustCompile(`Engine built in ([\d.eE+-]+) sec`)
	sizeLine    = regexp.MustCompile(`(?:Created|Loaded) engine with size: ([\d.eE+-]+) MiB`)
	queriesLine = regexp.MustCompile(`Timing trace has (\d+) queries over ([\d.eE+-]+) s`)
	rateLine    = regexp.MustCompile(`Throughput: ([\d.eE+-]+) qps`)
	wallLine    = regexp.MustCompile(`Total Host Walltime: ([\d.eE+-]+) s`)
	timesLine   = regexp.MustCompile(`\b(Latency|Enqueue Time|H2D Latency|GPU Compute Time|D2H Latency): (min = .*)$`)
	timePart    = regexp.MustCompile(`(min|max|mean|median|percentile\(([\d.]+)%\)) = ([\d.eE+-]+) ms`)
	outcomeLine = regexp.MustCompile(`^&&&& (PASSED|FAILED) TensorRT`)
)

// ParseSummary reads what trtexec has printed, of both streams. It understands releases 10 and 11 and never fails: lines
// that it does not know are passed over.
func ParseSummary(text string) Summary {
	var s Summary
	s.Version, _ = readVersion(text)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n ")
		s.line(line)
		if m := severity.FindStringSubmatch(line); m != nil && m[1] == "W" && !strings.HasPrefix(m[2], "[TRT]") {
			s.warn(m[2])
		}
	}
	return s
}

func (s *Summary) line(line string) {
	for _, read := range []struct {
		match *regexp.Regexp
		to    *float64
	}{{builtLine, &s.BuildTime}, {sizeLine, &s.EngineBytes}, {rateLine, &s.Throughput}, {wallLine, &s.Wall}} {
		if m := read.match.FindStringSubmatch(line); m != nil {
			*read.to, _ = strconv.ParseFloat(m[1], 64)
			if read.match == sizeLine {
				s.EngineBytes *= 1 << 20
			}
		}
	}
	if m := gpuLine.FindStringSubmatch(line); m != nil {
		s.GPU = m[1]
	}
	if m := computeLine.FindStringSubmatch(line); m != nil {
		s.Compute = m[1]
	}
	if m := queriesLine.FindStringSubmatch(line); m != nil {
		s.Queries = number(m[1])
	}
	if m := outcomeLine.FindStringSubmatch(line); m != nil {
		s.Outcome = m[1]
	}
	if m := timesLine.FindStringSubmatch(line); m != nil {
		d := parseDistribution(m[2])
		switch m[1] {
		case "Latency":
			s.Latency = d
		case "Enqueue Time":
			s.Enqueue = d
		case "H2D Latency":
			s.H2D = d
		case "GPU Compute Time":
			s.OnGPU = d
		case "D2H Latency":
			s.D2H = d
		}
	}
}

// warn keeps a warning about the figures. trtexec begins each with an asterisk and goes on with indented advice.
func (s *Summary) warn(text string) {
	if w, ok := strings.CutPrefix(text, "* "); ok {
		s.Warnings = append(s.Warnings, strings.TrimSpace(w))
	}
}

func parseDistribution(text string) *Distribution {
	d := &Distribution{}
	for _, m := range timePart.FindAllStringSubmatch(text, -1) {
		ms, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			continue
		}
		seconds := ms / 1e3
		switch m[1] {
		case "min":
			d.Min = seconds
		case "max":
			d.Max = seconds
		case "mean":
			d.Mean = seconds
		case "median":
			d.Median = seconds
		default:
			if p, err := strconv.ParseFloat(m[2], 64); err == nil {
				d.Percentiles = append(d.Percentiles, Percentile{p, seconds})
			}
		}
	}
	return d
}
