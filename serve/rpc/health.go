package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"infer/internal/pb"
	"infer/internal/pb/tfs"
)

// watchInterval is how often a watched health is looked at: models come and go without telling.
const watchInterval = time.Second

// health is gRPC's health protocol. The services that it knows are "" for the server, the two that infer, and every
// model by its name.
type health struct {
	healthpb.UnimplementedHealthServer
	s *Server
}

// of returns the health of a service and a channel that is closed when the server's readiness has changed.
func (h *health) of(service string) (healthpb.HealthCheckResponse_ServingStatus, <-chan struct{}) {
	ready, changed := h.s.isReady()
	switch service {
	case "", pb.GRPCInferenceService_ServiceDesc.ServiceName, tfs.PredictionService_ServiceDesc.ServiceName:
	default:
		model, err := h.s.o.Repository.ModelReady(service, "")
		if err != nil {
			return healthpb.HealthCheckResponse_SERVICE_UNKNOWN, changed
		}
		ready = model && h.s.wanted()
	}
	if ready {
		return healthpb.HealthCheckResponse_SERVING, changed
	}
	return healthpb.HealthCheckResponse_NOT_SERVING, changed
}

// Check implements grpc.health.v1.Health.
func (h *health) Check(_ context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	is, _ := h.of(r.Service)
	if is == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Errorf(codes.NotFound, "unknown service '%.256s'", r.Service)
	}
	return &healthpb.HealthCheckResponse{Status: is}, nil
}

// Watch implements grpc.health.v1.Health. It ends when the server drains, after having said so.
func (h *health) Watch(r *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		is, changed := h.of(r.Service)
		if is != last {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: is}); err != nil {
				return err
			}
			last = is
		}
		select {
		case <-h.s.draining:
			if last == healthpb.HealthCheckResponse_SERVING {
				if err := stream.Send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}); err != nil {
					return err
				}
			}
			return status.Error(codes.Unavailable, "the server is shutting down")
		case <-changed:
		case <-tick.C:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}
