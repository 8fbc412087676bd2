package main

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"
	"strings"

	"infer/internal/stats"
)

// recordings are p99s of blocks of a second of equal servers, measured by "comparebench real -record".
//
//go:embed recorded
var recordings embed.FS

// recordedNoise are the recordings as machines of the study: their blocks follow each other as they did.
func recordedNoise() ([]noise, error) {
	files, err := recordings.ReadDir("recorded")
	if err != nil {
		return nil, err
	}
	var list []noise
	for _, f := range files {
		text, err := recordings.ReadFile(path.Join("recorded", f.Name()))
		if err != nil {
			return nil, err
		}
		title, logs, err := readRecording(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		list = append(list, noise{name: fmt.Sprintf("%d real blocks, %s", len(logs), title), recorded: logs})
	}
	return list, nil
}

// readRecording returns the title of a recording and the logarithms of its p99s against their median.
func readRecording(text []byte) (title string, logs []float64, err error) {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	rows, err := csv.NewReader(bytes.NewReader(rest)).ReadAll()
	if err != nil {
		return "", nil, err
	}
	if len(rows) < 2 {
		return "", nil, io.ErrUnexpectedEOF
	}
	for _, r := range rows[1:] {
		v, err := strconv.ParseFloat(r[len(r)-1], 64)
		if err != nil {
			return "", nil, err
		}
		logs = append(logs, math.Log(v))
	}
	middle := stats.Median(logs)
	for i := range logs {
		logs[i] -= middle
	}
	return strings.TrimSpace(strings.TrimPrefix(string(first), "#")), logs, nil
}
