//go:build linux

package main

import (
	"bytes"
	"errors"
	"strconv"
)

var (
	headEnd = []byte("\r\n\r\n")
	lineEnd = []byte("\r\n")
	length  = []byte("content-length:")
)

var errHead = errors.New("an answer that is not HTTP/1.1 with a Content-Length")

// parse looks at what has come of an answer: its status and whole length, 0 while the head is not there yet.
func parse(b []byte) (status, total int, err error) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return 0, 0, nil
	}
	if end < 12 || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return 0, 0, errHead
	}
	if status, err = strconv.Atoi(string(b[9:12])); err != nil {
		return 0, 0, errHead
	}
	for line := range bytes.SplitSeq(b[:end], lineEnd) {
		if len(line) > len(length) && bytes.EqualFold(line[:len(length)], length) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(line[len(length):])))
			return status, end + len(headEnd) + n, err
		}
	}
	return 0, 0, errHead
}
