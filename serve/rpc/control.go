package rpc

import (
	"context"

	"infer/internal/fault"
	"infer/internal/pb"
	"infer/serve/repository"
)

// ModelStatistics gives the counters of one model or of all, as perf_analyzer reads them.
func (o *oip) ModelStatistics(_ context.Context, r *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	list, err := o.s.o.Repository.Stats(r.Name, r.Version)
	if err != nil {
		return nil, err
	}
	answer := &pb.ModelStatisticsResponse{}
	for i := range list {
		answer.ModelStats = append(answer.ModelStats, statistics(&list[i]))
	}
	return answer, nil
}

func statistics(s *repository.Stats) *pb.ModelStatistics {
	m := &pb.ModelStatistics{
		Name: s.Name, Version: s.Version, InferenceCount: s.Inferences, ExecutionCount: s.Executions,
		InferenceStats: &pb.InferStatistics{
			Success: duration(s.Success), Fail: duration(s.Fail), Queue: duration(s.Queue),
			ComputeInput: duration(s.Input), ComputeInfer: duration(s.Compute), ComputeOutput: duration(s.Output),
			CacheHit: &pb.StatisticDuration{}, CacheMiss: &pb.StatisticDuration{},
		},
	}
	if !s.LastInference.IsZero() {
		m.LastInference = uint64(s.LastInference.UnixMilli())
	}
	for _, b := range s.Batches {
		m.BatchStats = append(m.BatchStats, &pb.InferBatchStatistics{
			BatchSize: uint64(b.Rows), ComputeInput: duration(b.Input), ComputeInfer: duration(b.Compute), ComputeOutput: duration(b.Output),
		})
	}
	return m
}

func duration(d repository.Duration) *pb.StatisticDuration {
	return &pb.StatisticDuration{Count: d.Count, Ns: uint64(d.Time)}
}

// RepositoryIndex lists every model and version that is known, or those that can serve.
func (o *oip) RepositoryIndex(_ context.Context, r *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	answer := &pb.RepositoryIndexResponse{}
	for _, s := range o.s.o.Repository.Index() {
		if !r.Ready || s.State == "READY" {
			answer.Models = append(answer.Models, &pb.RepositoryIndexResponse_ModelIndex{Name: s.Name, Version: s.Version, State: s.State, Reason: s.Reason})
		}
	}
	return answer, nil
}

// RepositoryModelLoad loads or reloads a model from where it lies. Parameters, by which a client would bring its own
// configuration or files, are refused: what is served comes from the machine's disk.
func (o *oip) RepositoryModelLoad(ctx context.Context, r *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	for name := range r.Parameters {
		return nil, fault.New(fault.Unsupported, "", "load parameter '%.40s' is not supported", name)
	}
	if err := o.s.o.Repository.Load(ctx, r.ModelName); err != nil {
		return nil, err
	}
	return &pb.RepositoryModelLoadResponse{}, nil
}

// RepositoryModelUnload stops serving a model, after its running calls. The parameter unload_dependents says nothing
// here: no model depends on another.
func (o *oip) RepositoryModelUnload(ctx context.Context, r *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	if err := o.s.o.Repository.Unload(ctx, r.ModelName); err != nil {
		return nil, err
	}
	return &pb.RepositoryModelUnloadResponse{}, nil
}
