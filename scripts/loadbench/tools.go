//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// load is what a generator is asked for.
type load struct {
	url         string
	body        string  // file to POST; "": a GET
	connections int     // at a time
	rate        float64 // requests a second, constant; 0: a closed loop, as fast as it goes
	duration    time.Duration
}

// figures are what a generator says of its load; times in seconds, NaN where it says nothing.
type figures struct {
	requests, failed int
	rate             float64 // requests a second
	p50, p99         float64
}

// tool is a load generator.
type tool struct {
	name, part string // what it is called, and what parts.py calls it; "" is infer
	closedOnly bool   // it cannot keep a rate
	grpc       bool   // it speaks gRPC
	bunches    bool   // at a rate, all its connections send at a time
	args       func(b *bench, path string, l load) ([]string, error)
	read       func(b *bench, path, out string) (figures, error)
}

func ours() tool { return tool{name: "infer loadtest", args: inferArgs, read: readInfer} }

// rpcTool is infer over gRPC, inferences of the model that model finds.
func rpcTool() tool {
	args := func(b *bench, path string, l load) ([]string, error) {
		return []string{path, "loadtest", l.url, "--model", "m", "--model-file", b.model(), "--duration", l.duration.String(), "--warm-up", "0s", "--floor", "off", "--metrics-url", "off",
			"--concurrency", strconv.Itoa(l.connections), "--format", "json", "--quiet"}, nil
	}
	return tool{name: "infer loadtest, gRPC", grpc: true, args: args, read: readInfer}
}

// everyone is every generator of HTTP load.
func everyone() []tool {
	return []tool{
		ours(),
		{name: "wrk", part: "wrk", closedOnly: true, args: wrkArgs, read: readWrk},
		{name: "oha", part: "oha", args: ohaArgs, read: readOha},
		{name: "bombardier (fasthttp)", part: "bombardier", args: bombardierArgs, read: readBombardier},
		{name: "fortio", part: "fortio", args: fortioArgs, read: readFortio},
		{name: "vegeta", part: "vegeta", args: vegetaArgs, read: readVegeta},
		{name: "hey", part: "hey", bunches: true, args: heyArgs, read: readHey},
	}
}

// chosen are the generators that are here and asked for, that keep accepts.
func (b *bench) chosen(keep func(tool) bool) []tool {
	b.skip("k6: its licence is the AGPL, it is not installed for this")
	var list []tool
	for _, t := range everyone() {
		switch {
		case !keep(t):
		case !b.tools.MatchString(t.name):
			b.skip(t.name + ": not asked for")
		case t.part == "" || b.parts[t.part] != "":
			list = append(list, t)
		}
	}
	return list
}

// generate runs a generator to its end; behind are words in front of its command, such as taskset's.
func (b *bench) generate(t tool, l load, front ...string) (figures, finished, error) {
	path := b.infer
	if t.part != "" {
		path = b.parts[t.part]
	}
	args, err := t.args(b, path, l)
	if err != nil {
		return figures{}, finished{}, err
	}
	run, err := finish(append(front, args...)...)
	if err != nil {
		return figures{}, run, fmt.Errorf("%s: %w", t.name, err)
	}
	f, err := t.read(b, path, run.out)
	if err != nil {
		return f, run, fmt.Errorf("%s: exit code %d: %w: %s", t.name, run.code, err, tail(run.out))
	}
	return f, run, nil
}

func inferArgs(_ *bench, path string, l load) ([]string, error) {
	args := []string{path, "loadtest", l.url, "--protocol", "http", "--duration", l.duration.String(), "--warm-up", "0s", "--floor", "off", "--metrics-url", "off", "--format", "json", "--quiet"}
	if l.body != "" {
		args = append(args, "--body", l.body)
	}
	if l.rate > 0 {
		return append(args, "--rps", number(l.rate), "--arrival", "constant"), nil
	}
	return append(args, "--concurrency", strconv.Itoa(l.connections)), nil
}

func wrkArgs(b *bench, path string, l load) ([]string, error) {
	script := `function done(s, latency)
  local e = s.errors
  print(string.format('{"requests":%d,"failed":%d,"micros":%d,"p50":%f,"p99":%f}', s.requests, e.connect+e.read+e.write+e.status+e.timeout, s.duration, latency:percentile(50), latency:percentile(99)))
end
`
	if l.body != "" {
		script += fmt.Sprintf("wrk.method = 'POST'\nwrk.body = io.open(%q, 'rb'):read('*a')\n", l.body)
	}
	file := filepath.Join(b.work, "wrk.lua")
	return []string{path, "-t1", "-c", strconv.Itoa(l.connections), "-d", wholeSeconds(l.duration), "--timeout", "10s", "-s", file, l.url}, os.WriteFile(file, []byte(script), 0o600)
}

func ohaArgs(_ *bench, path string, l load) ([]string, error) {
	args := []string{path, "--no-tui", "--output-format", "json", "-z", l.duration.String(), "-c", strconv.Itoa(l.connections)}
	if l.body != "" {
		args = append(args, "-m", "POST", "-D", l.body)
	}
	if l.rate > 0 {
		args = append(args, "-q", number(l.rate), "--latency-correction")
	}
	return append(args, l.url), nil
}

func bombardierArgs(_ *bench, path string, l load) ([]string, error) {
	args := []string{path, "-c", strconv.Itoa(l.connections), "-d", l.duration.String(), "-l", "-p", "r", "-o", "json", "-t", "10s"}
	if l.body != "" {
		args = append(args, "-m", "POST", "-f", l.body)
	}
	if l.rate > 0 {
		args = append(args, "-r", number(l.rate))
	}
	return append(args, l.url), nil
}

// fortioArgs gives a number of requests in place of a time at a rate: with a time fortio leaves each connection a gap less than calls.
func fortioArgs(_ *bench, path string, l load) ([]string, error) {
	args := []string{path, "load", "-quiet", "-json", "-", "-qps", number(l.rate), "-c", strconv.Itoa(l.connections), "-timeout", "10s", "-p", "50,99", "-r", "0.00001"}
	if l.body != "" {
		args = append(args, "-payload-file", l.body)
	}
	if l.rate > 0 {
		args = append(args, "-uniform", "-t", "-1s", "-n", strconv.Itoa(int(l.rate*l.duration.Seconds())))
	} else {
		args = append(args, "-t", l.duration.String())
	}
	return append(args, l.url), nil
}

// vegetaArgs lets vegeta write its results to a file, for its report to read.
func vegetaArgs(b *bench, path string, l load) ([]string, error) {
	target := "GET " + l.url + "\n"
	if l.body != "" {
		target = "POST " + l.url + "\n@" + l.body + "\n"
	}
	file := filepath.Join(b.work, "vegeta.targets")
	args := []string{path, "attack", "-targets", file, "-duration", l.duration.String(), "-timeout", "10s", "-output", b.vegetaFile()}
	if l.rate > 0 {
		args = append(args, "-rate", number(l.rate)+"/1s")
	} else {
		args = append(args, "-rate", "0", "-max-workers", strconv.Itoa(l.connections))
	}
	return args, os.WriteFile(file, []byte(target), 0o600)
}

func (b *bench) vegetaFile() string { return filepath.Join(b.work, "vegeta.results") }

// heyArgs gives every connection, which hey calls a worker, its share of the rate.
func heyArgs(_ *bench, path string, l load) ([]string, error) {
	args := []string{path, "-z", l.duration.String(), "-c", strconv.Itoa(l.connections), "-t", "10"}
	if l.body != "" {
		args = append(args, "-m", "POST", "-D", l.body)
	}
	if l.rate > 0 {
		args = append(args, "-q", number(l.rate/float64(l.connections)))
	}
	return append(args, l.url), nil
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// wholeSeconds rounds up, as wrk takes nothing else.
func wholeSeconds(d time.Duration) string {
	return strconv.Itoa(int(math.Ceil(d.Seconds()))) + "s"
}
