package rpc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"infer/internal/pb"
	"infer/serve/guard"
	"infer/serve/repository"
)

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	line := func(name, key, scopes string) string {
		return fmt.Sprintf("%s %x %s\n", name, sha256.Sum256([]byte(key)), scopes)
	}
	if err := os.WriteFile(path, []byte(line("alice", "secret", "infer")+line("ops", "root", "infer,admin")+line("prometheus", "scrape", "metrics")), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := guard.OpenKeys(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := serve(t, sums("sum"), Options{Keys: keys, Admin: true}, repository.Options{Explicit: true})
	infer := func(ctx context.Context) error {
		_, err := h.oip.ModelInfer(ctx, one("sum"))
		return err
	}
	load := func(ctx context.Context) error {
		_, err := h.oip.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "sum"})
		return err
	}
	ready := func(ctx context.Context) error {
		_, err := h.oip.ServerReady(ctx, &pb.ServerReadyRequest{})
		return err
	}
	index := func(ctx context.Context) error {
		_, err := h.oip.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{})
		return err
	}
	stream := func(ctx context.Context) error {
		s, err := h.oip.ModelStreamInfer(ctx)
		if err != nil {
			return err
		}
		if err := s.Send(one("sum")); err != nil && err != io.EOF {
			return err
		}
		_, err = s.Recv()
		return err
	}
	for _, c := range []struct {
		name, header, key string
		call              func(context.Context) error
		want              codes.Code
	}{
		{"infer without", "", "", infer, codes.Unauthenticated},
		{"infer with another", "authorization", "Bearer x", infer, codes.Unauthenticated},
		{"infer", "authorization", "Bearer secret", infer, codes.OK},
		{"infer by api key", "x-api-key", "secret", infer, codes.OK},
		{"infer without the scope", "x-api-key", "scrape", infer, codes.PermissionDenied},
		{"load without the scope", "x-api-key", "secret", load, codes.PermissionDenied},
		{"load", "x-api-key", "root", load, codes.OK},
		{"index without", "", "", index, codes.Unauthenticated},
		{"stream without", "", "", stream, codes.Unauthenticated},
		{"stream", "x-api-key", "secret", stream, codes.OK},
		{"ready without", "", "", ready, codes.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			if c.header != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, c.header, c.key)
			}
			if err := c.call(ctx); status.Code(err) != c.want {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	if e := h.event(t); e.Reason != repository.Denied || e.Status != int(codes.Unauthenticated) {
		t.Errorf("event %+v", e)
	}
	h.event(t)
	if e := h.event(t); e.Reason != repository.OK || e.Key != "alice" {
		t.Errorf("event %+v", e)
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"server"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	inner := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	outer := inner.Clone() // as guard.TLS makes it
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil }
	h := serve(t, sums("sum"), Options{TLS: outer}, repository.Options{})
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	client := pb.NewGRPCInferenceServiceClient(dial(t, h.addr, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: "server"}))))
	answer, err := client.ModelInfer(t.Context(), one("sum"))
	if err != nil {
		t.Fatal(err)
	}
	wantSum(t, answer)
	if _, err := h.oip.ModelInfer(t.Context(), one("sum")); status.Code(err) != codes.Unavailable {
		t.Errorf("without TLS: %v", err)
	}
}

// TestReflection asks both versions of it, as tools do.
func TestReflection(t *testing.T) {
	h := serve(t, sums("sum"), Options{Reflection: true}, repository.Options{})
	want := []string{"grpc.health.v1.Health", "inference.GRPCInferenceService", "tensorflow.serving.ModelService", "tensorflow.serving.PredictionService"}
	var services []string
	stream, err := reflectionpb.NewServerReflectionClient(h.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.GetListServicesResponse().GetService() {
		services = append(services, s.Name)
	}
	for _, name := range want {
		if !slices.Contains(services, name) {
			t.Errorf("services %q lack %s", services, name)
		}
	}
	// The messages of v1alpha, which most tools still ask first, are those of v1 under another name.
	alpha, err := h.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
	if err != nil {
		t.Fatal(err)
	}
	if err := alpha.SendMsg(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: want[1]}}); err != nil {
		t.Fatal(err)
	}
	var file reflectionpb.ServerReflectionResponse
	if err := alpha.RecvMsg(&file); err != nil || len(file.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("v1alpha: %v, %v", &file, err)
	}
	plain := serve(t, sums("sum"), Options{}, repository.Options{})
	none, err := reflectionpb.NewServerReflectionClient(plain.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Recv(); status.Code(err) != codes.Unimplemented {
		t.Errorf("without it: %v", err)
	}
}
