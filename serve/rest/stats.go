package rest

import (
	"encoding/json"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
	"infer/serve/batch"
	"infer/serve/repository"
)

// modelStats answers with the statistics extension: counters of one model or of all, as perf_analyzer reads them.
func (x *exchange) modelStats() error {
	list, err := x.s.o.Repository.Stats(string(x.route.model), string(x.route.version))
	if err != nil {
		return err
	}
	answer := statistics{Models: make([]modelStatistics, len(list))}
	for i := range list {
		answer.Models[i] = statisticsOf(&list[i])
	}
	return x.json(fasthttp.StatusOK, answer)
}

type statistics struct {
	Models []modelStatistics `json:"model_stats"`
}

type modelStatistics struct {
	Name       string            `json:"name"`
	Version    string            `json:"version"`
	Last       int64             `json:"last_inference"` // milliseconds since 1970
	Inferences uint64            `json:"inference_count"`
	Executions uint64            `json:"execution_count"`
	Stats      inferStatistics   `json:"inference_stats"`
	Responses  struct{}          `json:"response_stats"`
	Batches    []batchStatistics `json:"batch_stats"`
	Memory     []any             `json:"memory_usage"`
}

type inferStatistics struct {
	Success   duration `json:"success"`
	Fail      duration `json:"fail"`
	Queue     duration `json:"queue"`
	Input     duration `json:"compute_input"`
	Infer     duration `json:"compute_infer"`
	Output    duration `json:"compute_output"`
	CacheHit  duration `json:"cache_hit"`
	CacheMiss duration `json:"cache_miss"`
}

type batchStatistics struct {
	Size   int      `json:"batch_size"`
	Input  duration `json:"compute_input"`
	Infer  duration `json:"compute_infer"`
	Output duration `json:"compute_output"`
}

type duration struct {
	Count uint64 `json:"count"`
	NS    int64  `json:"ns"`
}

func durationOf(d repository.Duration) duration { return duration{d.Count, d.Time.Nanoseconds()} }

func statisticsOf(s *repository.Stats) modelStatistics {
	m := modelStatistics{
		Name: s.Name, Version: s.Version, Inferences: s.Inferences, Executions: s.Executions,
		Stats: inferStatistics{
			Success: durationOf(s.Success), Fail: durationOf(s.Fail), Queue: durationOf(s.Queue),
			Input: durationOf(s.Input), Infer: durationOf(s.Compute), Output: durationOf(s.Output),
		},
		Batches: make([]batchStatistics, len(s.Batches)), Memory: []any{},
	}
	if !s.LastInference.IsZero() {
		m.Last = s.LastInference.UnixMilli()
	}
	for i, b := range s.Batches {
		m.Batches[i] = batchStatistics{b.Rows, durationOf(b.Input), durationOf(b.Compute), durationOf(b.Output)}
	}
	return m
}

// modelScheduler explains the batcher of a model: how it was planned, what it has learned, what waits and what it
// refused.
func (x *exchange) modelScheduler() error {
	info, err := x.find()
	if err != nil {
		return err
	}
	body, err := json.MarshalIndent(struct { // for people: it is read with curl
		Name      string            `json:"name"`
		Version   string            `json:"version"`
		MaxBatch  int               `json:"max_batch"`
		BatchAxis bool              `json:"batch_axis"`
		BatchNote string            `json:"batch_note"`
		Threads   int               `json:"threads"`
		Scheduler batch.Explanation `json:"scheduler"`
	}{info.Name, info.Version, info.MaxBatch, info.BatchAxis, info.BatchNote, info.Threads, x.handle.Explain()}, "", "  ")
	if err != nil {
		return fault.Wrap(err, "encode the answer")
	}
	return x.pack(jsonType, append(body, '\n'))
}
