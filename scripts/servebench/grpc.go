//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"infer/internal/wire"
	"infer/model/tensor"
)

// streamsPerChannel is how many calls share a connection, as NVIDIA's client does it.
const streamsPerChannel = 6

const inferMethod = "/inference.GRPCInferenceService/ModelInfer"

// raw passes messages through as bytes, so that the client costs what gRPC itself costs.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append((*v.(*[]byte))[:0], data...)
	return nil
}

func (raw) Name() string { return "proto" }

// message is an inference as gRPC carries it, raw contents.
func (s subject) message() ([]byte, error) {
	shape := make(tensor.Shape, len(s.shape))
	for i, d := range s.shape {
		shape[i] = int64(d)
	}
	x, err := tensor.FromFloat32(s.input, shape, s.row())
	if err != nil {
		return nil, err
	}
	return wire.AppendModelInfer(nil, &wire.Request{Model: s.name, Inputs: []tensor.Tensor{x}})
}

// closedGRPC is closed over gRPC, with the client of gRPC for Go.
func closedGRPC(srv *server, s subject, n int, d time.Duration) (load, error) {
	message, err := s.message()
	if err != nil {
		return load{}, err
	}
	var channels []*grpc.ClientConn
	defer func() {
		for _, c := range channels {
			c.Close()
		}
	}()
	for range (n + streamsPerChannel - 1) / streamsPerChannel {
		c, err := grpc.NewClient(srv.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
		if err != nil {
			return load{}, err
		}
		channels = append(channels, c)
	}
	if l := callers(channels, message, n, warmUp); l.failed > 0 {
		return l, fmt.Errorf("gRPC: %s", l.why)
	}
	clock := startClock(srv)
	l := callers(channels, message, n, d)
	clock.stop(&l)
	return l, nil
}

func callers(channels []*grpc.ClientConn, message []byte, n int, d time.Duration) load {
	parts := make([]load, n)
	until := time.Now().Add(d)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() { parts[i] = caller(channels[i%len(channels)], message, until) })
	}
	wg.Wait()
	var whole load
	for _, p := range parts {
		whole.latency, whole.failed = append(whole.latency, p.latency...), whole.failed+p.failed
		if whole.why == "" {
			whole.why = p.why
		}
	}
	return whole
}

func caller(c *grpc.ClientConn, message []byte, until time.Time) load {
	var l load
	var answer []byte
	ctx, cancel := context.WithDeadline(context.Background(), until.Add(answerTimeout))
	defer cancel()
	for sent := time.Now(); sent.Before(until) && l.failed == 0; sent = time.Now() {
		if err := c.Invoke(ctx, inferMethod, &message, &answer); err != nil {
			l.failed, l.why = 1, err.Error()
			continue
		}
		l.latency = append(l.latency, time.Since(sent).Seconds())
	}
	return l
}
