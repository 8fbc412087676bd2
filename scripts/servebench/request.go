//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// subject is a model that is measured: its file, its float32 input and the shape of one row, batch axis included.
type subject struct {
	name, file, input string
	output            string // the output of Triton's configuration
	rows              int    // of a run at most, 1 where the batch axis is fixed
	shape             []int
}

func (s subject) elements() int {
	n := 1
	for _, d := range s.shape {
		n *= d
	}
	return n
}

// row is one row of seeded random numbers in [0, 1) with six decimals, as an image has them in JSON.
func (s subject) row() []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]float32, s.elements())
	for i := range v {
		v[i] = float32(r.IntN(1_000_000)) / 1e6
	}
	return v
}

func (s subject) numbers() string {
	var b strings.Builder
	for i, v := range s.row() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatFloat(float64(v), 'g', -1, 32))
	}
	return b.String()
}

func (s subject) bytes() []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, s.row()) // a bytes.Buffer takes everything
	return b.Bytes()
}

func (s subject) dims() string {
	d := make([]string, len(s.shape))
	for i, v := range s.shape {
		d[i] = strconv.Itoa(v)
	}
	return strings.Join(d, ",")
}

// post is the bytes of an HTTP/1.1 request as they go over the connection.
func post(path, headers string, body []byte) []byte {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n", path, headers, len(body))
	return append([]byte(head), body...)
}

// binaryRequest is an inference in the Open Inference Protocol with binary tensors both ways.
func (s subject) binaryRequest() []byte {
	data := s.bytes()
	head := fmt.Sprintf(`{"inputs":[{"name":%q,"shape":[%s],"datatype":"FP32","parameters":{"binary_data_size":%d}}],"parameters":{"binary_data_output":true}}`,
		s.input, s.dims(), len(data))
	headers := fmt.Sprintf("Content-Type: application/octet-stream\r\nInference-Header-Content-Length: %d\r\n", len(head))
	return post("/v2/models/"+s.name+"/infer", headers, append([]byte(head), data...))
}

// jsonRequest is the same in JSON, data flat.
func (s subject) jsonRequest() []byte {
	body := fmt.Sprintf(`{"inputs":[{"name":%q,"shape":[%s],"datatype":"FP32","data":[%s]}]}`, s.input, s.dims(), s.numbers())
	return post("/v2/models/"+s.name+"/infer", "Content-Type: application/json\r\n", []byte(body))
}

// instancesRequest is {"instances": [row]}, nested as the shape is.
func (s subject) instancesRequest() []byte {
	body := `{"instances":` + nested(strings.Split(s.numbers(), ","), s.shape) + `}`
	return post("/predict", "Content-Type: application/json\r\n", []byte(body))
}

func nested(numbers []string, shape []int) string {
	if len(shape) == 1 {
		return "[" + strings.Join(numbers, ",") + "]"
	}
	step := len(numbers) / shape[0]
	parts := make([]string, shape[0])
	for i := range parts {
		parts[i] = nested(numbers[i*step:(i+1)*step], shape[1:])
	}
	return "[" + strings.Join(parts, ",") + "]"
}
