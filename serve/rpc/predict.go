package rpc

import (
	"context"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"infer/internal/fault"
	"infer/internal/pb/tfs"
	"infer/internal/wire"
	"infer/model/tensor"
	"infer/serve/repository"
)

// prediction is TensorFlow Serving's PredictionService.
type prediction struct {
	tfs.UnimplementedPredictionServiceServer
	s *Server
}

// predict is the protocol of Predict.
var predict = &protocol{
	name:   "tfs-grpc",
	method: tfs.PredictionService_Predict_FullMethodName,
	decode: (*wire.Request).DecodePredict,
	encode: func(dst []byte, r *wire.Response, _ bool) ([]byte, error) { return wire.AppendPredictResponse(dst, r) },
}

// predictionService describes the service as generated, but for Predict, which bypasses generated messages.
func predictionService() *grpc.ServiceDesc {
	d := tfs.PredictionService_ServiceDesc
	d.Methods = bypass(d.Methods, "Predict", func(server any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		return server.(*prediction).s.unaryInference(ctx, receive, predict)
	})
	return &d
}

// version returns the version that a ModelSpec asks for, "" for the newest.
func version(spec *tfs.ModelSpec) (string, error) {
	if label := spec.GetVersionLabel(); label != "" {
		return "", fault.New(fault.Usage, "", "version_label '%.40s': versions have numbers here, not labels", label)
	}
	if v := spec.GetVersion(); v != nil {
		return strconv.FormatInt(v.Value, 10), nil
	}
	return "", nil
}

// GetModelMetadata describes the one signature of a model.
func (p *prediction) GetModelMetadata(_ context.Context, r *tfs.GetModelMetadataRequest) (*tfs.GetModelMetadataResponse, error) {
	for _, field := range r.MetadataField {
		if field != "signature_def" {
			return nil, fault.New(fault.Usage, "", "metadata field '%.40s' is not supported; signature_def is", field)
		}
	}
	if len(r.MetadataField) == 0 {
		return nil, fault.New(fault.Usage, "", "metadata_field is empty; signature_def is supported")
	}
	v, err := version(r.ModelSpec)
	if err != nil {
		return nil, err
	}
	info, err := p.s.find(r.ModelSpec.GetName(), v)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseInt(info.Version, 10, 64)
	if err != nil {
		return nil, fault.New(fault.Unsupported, "", "version '%s' is no number, which TensorFlow Serving's messages need", info.Version)
	}
	signature, err := anypb.New(&tfs.SignatureDefMap{SignatureDef: map[string]*tfs.SignatureDef{wire.Signature: {
		Inputs: tensorInfos(info.Inputs), Outputs: tensorInfos(info.Outputs), MethodName: "tensorflow/serving/predict",
	}}})
	if err != nil {
		return nil, err
	}
	return &tfs.GetModelMetadataResponse{
		ModelSpec: &tfs.ModelSpec{Name: info.Name, VersionChoice: &tfs.ModelSpec_Version{Version: wrapperspb.Int64(number)}},
		Metadata:  map[string]*anypb.Any{"signature_def": signature},
	}, nil
}

func tensorInfos(ports []wire.Port) map[string]*tfs.TensorInfo {
	m := make(map[string]*tfs.TensorInfo, len(ports))
	for _, p := range ports {
		shape := &tfs.TensorShapeProto{}
		for _, d := range p.Shape {
			shape.Dim = append(shape.Dim, &tfs.TensorShapeProto_Dim{Size: d})
		}
		m[p.Name] = &tfs.TensorInfo{Name: p.Name, Dtype: tensorFlowType(p.DType), TensorShape: shape}
	}
	return m
}

// tensorFlowType returns TensorFlow's number of a dtype.
func tensorFlowType(d tensor.DType) tfs.DataType { return tfs.DataType(wire.TensorFlowType(d)) }

// models is TensorFlow Serving's ModelService.
type models struct {
	tfs.UnimplementedModelServiceServer
	s *Server
}

// GetModelStatus lists the versions of a model with their states.
func (m *models) GetModelStatus(_ context.Context, r *tfs.GetModelStatusRequest) (*tfs.GetModelStatusResponse, error) {
	name := r.ModelSpec.GetName()
	want, err := version(r.ModelSpec)
	if err != nil {
		return nil, err
	}
	answer := &tfs.GetModelStatusResponse{}
	for _, s := range m.s.o.Repository.Index() {
		if s.Name == name && (want == "" || s.Version == want) {
			answer.ModelVersionStatus = append(answer.ModelVersionStatus, versionStatus(s))
		}
	}
	if len(answer.ModelVersionStatus) == 0 {
		return nil, fault.New(fault.NotFound, "", "Could not find any versions of model %.256s", name)
	}
	return answer, nil
}

func versionStatus(s repository.State) *tfs.ModelVersionStatus {
	v := &tfs.ModelVersionStatus{Status: &tfs.StatusProto{}}
	v.Version, _ = strconv.ParseInt(s.Version, 10, 64) // a version that is no number has 0
	switch s.State {
	case "READY":
		v.State = tfs.ModelVersionStatus_AVAILABLE
	case "LOADING":
		v.State = tfs.ModelVersionStatus_LOADING
	case "UNLOADING":
		v.State = tfs.ModelVersionStatus_UNLOADING
	default:
		v.State = tfs.ModelVersionStatus_END
		if s.Reason != "" {
			v.Status.ErrorCode, v.Status.ErrorMessage = int32(codes.Unknown), s.Reason
		}
	}
	return v
}
