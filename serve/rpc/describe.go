package rpc

import (
	"context"
	"strconv"

	"infer/internal/fault"
	"infer/internal/pb"
	"infer/internal/wire"
	"infer/serve/repository"
)

// platform is what clients of Triton know a model of ONNX Runtime by.
const platform = "onnxruntime_onnx"

// ServerLive answers as long as the process can.
func (*oip) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

// ServerReady answers whether every model serves.
func (o *oip) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	ready, _ := o.s.isReady()
	return &pb.ServerReadyResponse{Ready: ready}, nil
}

// ModelReady answers whether a model serves.
func (o *oip) ModelReady(_ context.Context, r *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	ready, err := o.s.o.Repository.ModelReady(r.Name, r.Version)
	if err != nil && fault.KindOf(err) != fault.NotFound { // clients ask this of models that may come
		return nil, err
	}
	return &pb.ModelReadyResponse{Ready: ready}, nil
}

// ServerMetadata says who serves and which extensions of the protocol.
func (o *oip) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{
		Name: o.s.o.Name, Version: o.s.o.Version,
		Extensions: []string{"classification", "model_repository", "schedule_policy", "model_configuration", "parameters", "statistics"},
	}, nil
}

// find describes a version of a model.
func (s *Server) find(model, version string) (*repository.Info, error) {
	h, err := s.o.Repository.Acquire(model, version, "")
	if err != nil {
		return nil, err
	}
	defer h.Release()
	return h.Info(), nil
}

// ModelMetadata describes the inputs and outputs of a model as they are in the model, axis 0 included.
func (o *oip) ModelMetadata(_ context.Context, r *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	info, err := o.s.find(r.Name, r.Version)
	if err != nil {
		return nil, err
	}
	versions, err := o.s.o.Repository.Versions(info.Name)
	if err != nil {
		return nil, err
	}
	return &pb.ModelMetadataResponse{
		Name: info.Name, Versions: versions, Platform: platform,
		Inputs: tensorMetadata(info.Inputs), Outputs: tensorMetadata(info.Outputs),
		Properties: map[string]string{"sha256": info.Digest, "batching": info.BatchNote, "max_batch": strconv.Itoa(info.MaxBatch)},
	}, nil
}

func tensorMetadata(ports []wire.Port) []*pb.ModelMetadataResponse_TensorMetadata {
	list := make([]*pb.ModelMetadataResponse_TensorMetadata, len(ports))
	for i, p := range ports {
		list[i] = &pb.ModelMetadataResponse_TensorMetadata{Name: p.Name, Datatype: wire.Datatype(p.DType), Shape: p.Shape}
	}
	return list
}

// ModelConfig shows the configuration of a model as Triton does when it has completed one by itself; its tools read the
// batch size and the tensors from it.
func (o *oip) ModelConfig(_ context.Context, r *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	info, err := o.s.find(r.Name, r.Version)
	if err != nil {
		return nil, err
	}
	rows := 0
	if info.BatchAxis {
		rows = max(info.MaxBatch, leastRows)
	}
	c := &pb.ModelConfig{
		Name: info.Name, Platform: platform, Backend: "onnxruntime", MaxBatchSize: int32(rows), DefaultModelFilename: "model.onnx",
		VersionPolicy: versionPolicy(info.Version),
		InstanceGroup: []*pb.ModelInstanceGroup{{Name: info.Name, Count: int32(info.Instances), Kind: pb.ModelInstanceGroup_KIND_CPU}},
	}
	if rows > 0 && info.MaxBatch != 1 {
		c.SchedulingChoice = &pb.ModelConfig_DynamicBatching{DynamicBatching: &pb.ModelDynamicBatching{}}
	}
	for _, p := range info.Inputs {
		c.Input = append(c.Input, &pb.ModelInput{Name: p.Name, DataType: configType(p), Dims: configDims(p, rows)})
	}
	for _, p := range info.Outputs {
		c.Output = append(c.Output, &pb.ModelOutput{Name: p.Name, DataType: configType(p), Dims: configDims(p, rows)})
	}
	return &pb.ModelConfigResponse{Config: c}, nil
}

// leastRows is the batch size that a configuration shows at least where axis 0 counts rows: what a client may send in
// one request is bounded by its bytes alone, and tools want a number.
const leastRows = 1024

func versionPolicy(version string) *pb.ModelVersionPolicy {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return nil
	}
	return &pb.ModelVersionPolicy{PolicyChoice: &pb.ModelVersionPolicy_Specific_{Specific: &pb.ModelVersionPolicy_Specific{Versions: []int64{n}}}}
}

// configType is a dtype in a configuration.
func configType(p wire.Port) pb.DataType {
	if d := wire.Datatype(p.DType); d != "BYTES" {
		return pb.DataType(pb.DataType_value["TYPE_"+d])
	}
	return pb.DataType_TYPE_STRING
}

// configDims are the axes that a configuration lists: without the one that counts rows.
func configDims(p wire.Port, rows int) []int64 {
	if rows > 0 && len(p.Shape) > 0 {
		return p.Shape[1:]
	}
	return p.Shape
}
