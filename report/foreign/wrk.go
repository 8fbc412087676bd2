package foreign

import (
	"regexp"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// wrk's text: what of it is read, by name. Ref: wrk, src/wrk.c and src/units.c.
func wrkLines() map[string]*regexp.Regexp {
	re := regexp.MustCompile
	return map[string]*regexp.Regexp{
		"Running":                   re(`(?m)^Running (\S+) test @ (\S+)\s*$`),
		"connections":               re(`(?m)^ +\d+ threads and (\d+) connections\s*$`),
		"Latency":                   re(`(?m)^ +Latency +(\S+) +\S+ +(\S+) +\S+%\s*$`),
		"requests in":               re(`(?m)^ +(\d+) requests in (\S+), \S+ read\s*$`),
		"Socket errors":             re(`(?m)^ +Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)\s*$`),
		"Non-2xx or 3xx responses":  re(`(?m)^ +Non-2xx or 3xx responses: (\d+)\s*$`),
		"Requests/sec":              re(`(?m)^Requests/sec: +([0-9.]+)\s*$`),
		"Transfer/sec":              re(`(?m)^Transfer/sec: +(\S+)\s*$`),
		"Latency Distribution":      re(`(?m)^ +Latency Distribution\s*$`),
		"50%":                       re(`(?m)^ +50% +(\S+)\s*$`),
		"90%":                       re(`(?m)^ +90% +(\S+)\s*$`),
		"99%":                       re(`(?m)^ +99% +(\S+)\s*$`),
		"Thread calibration (wrk2)": re(`(?m)^ +Thread calibration: |HdrHistogram`),
	}
}

// wrkText is a text of wrk, with the lines of it that are read.
type wrkText struct {
	text  string
	lines map[string]*regexp.Regexp
}

// find returns what stands in a line, nil where there is none.
func (w wrkText) find(name string) []string {
	found := w.lines[name].FindStringSubmatch(w.text)
	if found == nil {
		return nil
	}
	return found[1:]
}

// counts returns the numbers of a line, zeros where there is none.
func (w wrkText) counts(name string, n int) ([]float64, error) {
	out := make([]float64, n)
	for i, text := range w.find(name) {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || sound(name, v) != nil {
			return nil, missing("%s: %q is no count", name, text)
		}
		out[i] = v
	}
	return out, nil
}

// readWrk reads what wrk prints, with --latency or without.
func readWrk(b []byte) (*load, error) {
	w := wrkText{string(b), wrkLines()}
	if len(w.lines["Running"].FindAllStringIndex(w.text, 2)) > 1 {
		return nil, fault.New(fault.Usage, "give one run a file", "it holds the output of several runs")
	}
	if w.lines["Thread calibration (wrk2)"].MatchString(w.text) {
		return nil, fault.New(fault.Usage, "give the output of wrk, or measure with infer loadtest --rps, which counts from the intended time as wrk2 does", "it is the output of wrk2, which is not read")
	}
	for _, name := range []string{"connections", "Latency", "requests in", "Requests/sec", "Transfer/sec"} {
		if w.find(name) == nil {
			return nil, missing("it has no line with %q: the output is cut", name)
		}
	}
	l := newLoad("wrk", "closed")
	l.d.Warn("wrk adds to its latencies, for each that is longer than the mean, those of the requests that it would have sent meanwhile")
	l.x.Target.URL, l.x.Target.Protocol = w.find("Running")[1], "http"
	c, err := strconv.Atoi(w.find("connections")[0])
	if err != nil {
		return nil, missing("connections: %q is no count", w.find("connections")[0])
	}
	l.x.Schedule.Concurrency = c
	n, seconds, err := w.total()
	if err != nil {
		return nil, err
	}
	l.x.Window.Seconds = seconds
	if err := l.wrkTimes(w, int(min(n, maxCount))); err != nil {
		return nil, err
	}
	return l, l.wrkRates(w, n)
}

// total returns how many requests were answered, and in how many seconds.
func (w wrkText) total() (n, seconds float64, err error) {
	found := w.find("requests in")
	if n, err = strconv.ParseFloat(found[0], 64); err != nil || n < 1 {
		return 0, 0, missing("it counts no requests")
	}
	seconds, err = parseWrkTime(found[1])
	return n, seconds, err
}

// wrkTimes appends the latencies of n requests.
func (l *load) wrkTimes(w wrkText, n int) error {
	row := w.find("Latency")
	if err := l.wrkTime("mean", row[0], n); err != nil {
		return err
	}
	if w.find("Latency Distribution") == nil {
		l.d.Warn("wrk prints percentiles with --latency only: there are none")
		return l.wrkTime("max", row[1], n)
	}
	for _, line := range []string{"50%", "90%", "99%"} {
		found := w.find(line)
		if found == nil {
			return missing("its latency distribution has no line with %q: the output is cut", line)
		}
		if err := l.wrkTime("p"+strings.TrimSuffix(line, "%"), found[0], n); err != nil {
			return err
		}
	}
	return l.wrkTime("max", row[1], n)
}

// wrkTime appends a latency as wrk printed it.
func (l *load) wrkTime(name, text string, n int) error {
	v, err := parseWrkTime(text)
	if err == nil {
		l.time(name, v, n, nil)
	}
	return err
}

// wrkRates appends rates and errors. A timeout of wrk is an answer that came late; its latency is in no percentile.
func (l *load) wrkRates(w wrkText, n float64) error {
	rate, err := w.counts("Requests/sec", 1)
	if err != nil {
		return err
	}
	socket, err := w.counts("Socket errors", 4)
	if err != nil {
		return err
	}
	status, err := w.counts("Non-2xx or 3xx responses", 1)
	if err != nil {
		return err
	}
	for i, x := range []struct{ outcome, text string }{{"unreachable", "socket errors: connect"}, {"broken", "socket errors: read"}, {"broken", "socket errors: write"}, {"timed_out", "timeouts"}} {
		l.fault(x.outcome, 0, x.text, int64(min(socket[i], maxCount)))
	}
	l.fault("failed", 0, "answers other than 2xx and 3xx", int64(min(status[0], maxCount)))
	l.sortFaults()
	late := min(n, status[0]+socket[3])
	lost := socket[0] + socket[1] + socket[2]
	good := rate[0] * (1 - share(late, n))
	l.add("throughput", good, int(min(n-late, maxCount)), nil)
	l.add("goodput", good, int(min(n-late, maxCount)), nil)
	l.add("error_rate", share(late+lost, n+lost), int(min(n+lost, maxCount)), nil)
	if status[0] > 0 {
		l.d.Warn("%.0f of %.0f answers were no success; wrk counts their latency with that of the others", status[0], n)
	}
	if socket[3] > 0 {
		l.d.Warn("%.0f answers came after wrk's timeout; their latency is in no figure", socket[3])
	}
	return nil
}

// parseWrkTime reads a time as wrk prints it, in seconds.
func parseWrkTime(text string) (float64, error) {
	for _, u := range []struct {
		suffix string
		unit   float64
	}{{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}} {
		if digits, ok := strings.CutSuffix(text, u.suffix); ok {
			v, err := strconv.ParseFloat(digits, 64)
			if err != nil || sound("a time", v) != nil {
				break
			}
			return v * u.unit, nil
		}
	}
	return 0, missing("%q is no time of wrk", text)
}
