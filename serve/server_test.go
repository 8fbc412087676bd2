package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"infer/internal/fault"
	"infer/internal/pb"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/serve/guard"
	"infer/serve/repository"
)

const digits = "../testdata/digits/digits-cnn.onnx"

// running is a server under test.
type running struct {
	*Server
	cancel context.CancelFunc
	done   chan error
	log    *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// options are those of a server on free ports of this machine.
func options(provider engine.Provider, sources ...repository.Source) Options {
	o := DefaultOptions
	o.HTTP, o.GRPC, o.Metrics, o.Admin = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	o.Repository.Sources, o.Repository.Provider, o.Repository.CPUs = sources, provider, 2
	return o
}

// run starts a server. It is stopped with the test, if not before.
func run(t *testing.T, o Options) *running {
	t.Helper()
	r := &running{done: make(chan error, 1), log: &safeBuffer{}}
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	ctx, cancel := context.WithCancel(context.Background())
	s, err := Listen(ctx, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	r.Server, r.cancel = s, cancel
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(func() { r.stop(t) })
	return r
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		t.Errorf("the end of the server: %v", err)
	}
	r.done <- nil
	http.DefaultClient.CloseIdleConnections()
}

// ready waits for the readiness endpoint.
func (r *running) ready(t *testing.T) *running {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if code, _ := get(t, "http://"+r.Address("http")+"/v2/health/ready", ""); code == http.StatusOK {
			return r
		}
		if time.Now().After(end) {
			t.Fatalf("not ready within 30 s:\n%s", r.log)
		}
	}
}

func get(t *testing.T, url, key string) (int, string) {
	t.Helper()
	return send(t, http.MethodGet, url, key, "")
}

func send(t *testing.T, method, url, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// digitsRequest is a JSON request for the model of testdata: an empty picture of 8 by 8.
func digitsRequest(t *testing.T) string {
	t.Helper()
	m, err := model.Load(digits)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	in := m.Inputs()[0]
	shape, n := []int64{}, int64(1)
	for _, d := range in.Type.Dims {
		size := int64(1)
		if d.Known {
			size = d.Size
		}
		shape, n = append(shape, size), n*size
	}
	body, err := json.Marshal(map[string]any{"inputs": []any{map[string]any{"name": in.Name, "shape": shape, "datatype": "FP32", "data": make([]float32, n)}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// slowOpen is a provider whose models take until gate is closed to load.
type slowOpen struct {
	engine.Provider
	gate chan struct{}
}

func (p slowOpen) Open(ctx context.Context, m *model.Model, c engine.Config) (engine.Session, error) {
	select {
	case <-p.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return p.Provider.Open(ctx, m, c)
}

// TestReadyOnlyWhenWarm: while a model loads the server lives and is not ready, over HTTP and gRPC.
func TestReadyOnlyWhenWarm(t *testing.T) {
	p := slowOpen{enginetest.CPU(t), make(chan struct{})}
	r := run(t, options(p, repository.Source{Path: digits}))
	base := "http://" + r.Address("http")
	if code, _ := get(t, base+"/v2/health/live", ""); code != http.StatusOK {
		t.Errorf("live while loading: %d", code)
	}
	if code, _ := get(t, base+"/v2/health/ready", ""); code != http.StatusServiceUnavailable {
		t.Errorf("ready while loading: %d", code)
	}
	if code, body := send(t, http.MethodPost, base+"/v2/models/digits-cnn/infer", "", "{}"); code != http.StatusServiceUnavailable {
		t.Errorf("inference while loading: %d %s", code, body)
	}
	health := healthpb.NewHealthClient(dial(t, r.Address("grpc")))
	if a, err := health.Check(context.Background(), &healthpb.HealthCheckRequest{}); err != nil || a.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("gRPC health while loading: %v, %v", a, err)
	}
	close(p.gate)
	r.ready(t)
	if a, err := health.Check(context.Background(), &healthpb.HealthCheckRequest{}); err != nil || a.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("gRPC health when ready: %v, %v", a, err)
	}
	if code, body := get(t, "http://"+r.Address("metrics")+"/metrics", ""); code != http.StatusOK || !strings.Contains(body, `infer_model_ready{model="digits-cnn",version="1"} 1`) {
		t.Errorf("metrics: %d", code)
	}
}

// TestStopWhileLoading: an interrupt before it is ready ends the server without an error.
func TestStopWhileLoading(t *testing.T) {
	p := slowOpen{enginetest.CPU(t), make(chan struct{})}
	r := run(t, options(p, repository.Source{Path: digits}))
	get(t, "http://"+r.Address("http")+"/v2/health/live", "")
	r.stop(t)
}

// TestStopWhileReloading: an interrupt ends the server also while a reload loads a model.
func TestStopWhileReloading(t *testing.T) {
	p := slowOpen{enginetest.CPU(t), make(chan struct{})}
	o := options(p, repository.Source{Path: digits})
	hangup := make(chan struct{})
	o.Hangup, o.Reload = hangup, func() (repository.Options, error) {
		n := o.Repository
		n.Sources = append(slices.Clone(n.Sources), repository.Source{Name: "other", Path: digits})
		return n, nil
	}
	started, fed := make(chan struct{}), make(chan struct{})
	go func() { // what the start loads passes
		defer close(fed)
		for {
			select {
			case p.gate <- struct{}{}:
			case <-started:
				return
			}
		}
	}()
	r := run(t, o).ready(t)
	close(started)
	<-fed
	hangup <- struct{}{}
	loads := func(s repository.State) bool { return s.Name == "other" && s.State == "LOADING" }
	for end := time.Now().Add(10 * time.Second); !slices.ContainsFunc(r.models.Index(), loads); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the reload loads nothing: %+v\n%s", r.models.Index(), r.log)
		}
	}
	r.cancel()
	select {
	case err := <-r.done:
		r.done <- err
	case <-time.After(10 * time.Second):
		t.Error("it loads still, 10 s after the interrupt")
		close(p.gate)
	}
	if strings.Contains(r.log.String(), "level=ERROR msg=\"not every model") {
		t.Errorf("what was cut short is told as an error:\n%s", r.log)
	}
}

// TestNothingLoads: a server with no model that loads ends with the reason.
func TestNothingLoads(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.onnx")
	if err := os.WriteFile(broken, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := options(enginetest.CPU(t), repository.Source{Path: broken})
	o.Log = slog.New(slog.DiscardHandler)
	s, err := Listen(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
	if _, err := net.DialTimeout("tcp", s.Address("http"), time.Second); err == nil {
		t.Error("it listens still")
	}
}

// TestOneOfTwoLoads: the model that loads serves, the other one is told of.
func TestOneOfTwoLoads(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.onnx")
	if err := os.WriteFile(broken, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, options(enginetest.CPU(t), repository.Source{Path: broken}, repository.Source{Path: digits})).ready(t)
	base := "http://" + r.Address("http")
	if code, body := send(t, http.MethodPost, base+"/v2/models/digits-cnn/infer", "", digitsRequest(t)); code != http.StatusOK {
		t.Errorf("the model that loads: %d %s", code, body)
	}
	for end := time.Now().Add(10 * time.Second); !strings.Contains(r.log.String(), "msg=ready"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no ready line")
		}
	}
	if !strings.Contains(r.log.String(), `not_loaded="1 of 2 models"`) {
		t.Errorf("the log:\n%s", r.log)
	}
	if _, body := send(t, http.MethodPost, base+"/v2/repository/index", "", "{}"); !strings.Contains(body, `"UNAVAILABLE"`) {
		t.Errorf("the index: %s", body)
	}
}

// TestDrainUnderLoad: every request that was taken is answered over both protocols, and Run returns nil.
func TestDrainUnderLoad(t *testing.T) {
	r := run(t, options(enginetest.CPU(t), repository.Source{Path: digits})).ready(t)
	body := digitsRequest(t)
	client := pb.NewGRPCInferenceServiceClient(dial(t, r.Address("grpc")))
	var wg sync.WaitGroup
	var answered, other atomic.Int64
	for range 4 {
		wg.Go(func() {
			for {
				resp, err := http.Post("http://"+r.Address("http")+"/v2/models/digits-cnn/infer", "application/json", strings.NewReader(body))
				if err != nil {
					var op *net.OpError
					if !errors.As(err, &op) || op.Op != "dial" {
						t.Errorf("a request that was sent: %v", err)
					}
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					other.Add(1)
					if resp.StatusCode != http.StatusServiceUnavailable {
						t.Errorf("status %d", resp.StatusCode)
					}
					return
				}
				answered.Add(1)
			}
		})
		wg.Go(func() {
			for {
				_, err := client.ModelMetadata(context.Background(), &pb.ModelMetadataRequest{Name: "digits-cnn"})
				if err != nil {
					if c := status.Code(err); c != codes.Unavailable {
						t.Errorf("gRPC while draining: %v", err)
					}
					return
				}
				answered.Add(1)
			}
		})
	}
	for answered.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	r.stop(t)
	wg.Wait()
	t.Logf("%d answered, %d told that it is draining", answered.Load(), other.Load())
}

// TestShutdownDelay: after the end was asked for it is not ready and goes on to answer, for that long.
func TestShutdownDelay(t *testing.T) {
	o := options(enginetest.CPU(t), repository.Source{Path: digits})
	o.ShutdownDelay = 500 * time.Millisecond
	r := run(t, o).ready(t)
	begin := time.Now()
	r.cancel()
	for {
		code, _ := get(t, "http://"+r.Address("http")+"/v2/health/ready", "")
		if code == http.StatusServiceUnavailable {
			break
		}
		if time.Since(begin) > o.ShutdownDelay {
			t.Fatal("it is ready still")
		}
	}
	if code, body := send(t, http.MethodPost, "http://"+r.Address("http")+"/v2/models/digits-cnn/infer", "", digitsRequest(t)); code != http.StatusOK && time.Since(begin) < o.ShutdownDelay {
		t.Errorf("a request in the delay: %d %s", code, body)
	}
	r.stop(t)
	if !strings.Contains(r.log.String(), "msg=stopped") {
		t.Errorf("no last line:\n%s", r.log)
	}
	if d := time.Since(begin); d < o.ShutdownDelay {
		t.Errorf("it ended after %v", d)
	}
}

// TestAdministration: models are loaded at the address for it and nowhere else.
func TestAdministration(t *testing.T) {
	r := run(t, options(enginetest.CPU(t), repository.Source{Path: digits})).ready(t)
	const path = "/v2/repository/models/digits-cnn/load"
	if code, body := send(t, http.MethodPost, "http://"+r.Address("http")+path, "", "{}"); code != http.StatusForbidden {
		t.Errorf("load at the main address: %d %s", code, body)
	}
	client := pb.NewGRPCInferenceServiceClient(dial(t, r.Address("grpc")))
	if _, err := client.RepositoryModelLoad(context.Background(), &pb.RepositoryModelLoadRequest{ModelName: "digits-cnn"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("load over gRPC: %v", err)
	}
	if code, body := send(t, http.MethodPost, "http://"+r.Address("admin")+path, "", "{}"); code != http.StatusOK {
		t.Errorf("load at the address for it: %d %s", code, body)
	}
}

// TestKeysEverywhere: one file of keys holds for HTTP, gRPC, the administration and the metrics.
func TestKeysEverywhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	// printf %s infer-key | sha256sum, and so on
	text := "app " + hash("infer-key") + " infer\nops " + hash("admin-key") + " infer,admin\nprometheus " + hash("metrics-key") + " metrics\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := guard.OpenKeys(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := options(enginetest.CPU(t), repository.Source{Path: digits})
	o.Keys = keys
	r := run(t, o).ready(t)
	http1, admin, metrics := "http://"+r.Address("http"), "http://"+r.Address("admin"), "http://"+r.Address("metrics")
	for _, c := range []struct {
		method, url, key string
		want             int
	}{
		{http.MethodGet, http1 + "/v2/health/ready", "", 200},
		{http.MethodGet, http1 + "/v2/models/digits-cnn", "", 401},
		{http.MethodGet, http1 + "/v2/models/digits-cnn", "guess", 401},
		{http.MethodGet, http1 + "/v2/models/digits-cnn", "infer-key", 200},
		{http.MethodPost, admin + "/v2/repository/models/digits-cnn/load", "infer-key", 403},
		{http.MethodPost, admin + "/v2/repository/models/digits-cnn/load", "admin-key", 200},
		{http.MethodGet, metrics + "/metrics", "", 401},
		{http.MethodGet, metrics + "/metrics", "infer-key", 403},
		{http.MethodGet, metrics + "/metrics", "metrics-key", 200},
	} {
		if code, body := send(t, c.method, c.url, c.key, "{}"); code != c.want {
			t.Errorf("%s %s with %q: %d, want %d: %s", c.method, c.url, c.key, code, c.want, body[:min(len(body), 100)])
		}
	}
	for url, key := range map[string]string{http1 + "/v2/models/digits-cnn": "infer-key", metrics + "/metrics": "metrics-key"} {
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s with X-API-Key: %s", url, resp.Status)
		}
	}
	client := pb.NewGRPCInferenceServiceClient(dial(t, r.Address("grpc")))
	if _, err := client.ModelMetadata(context.Background(), &pb.ModelMetadataRequest{Name: "digits-cnn"}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("gRPC without a key: %v", err)
	}
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer infer-key")
	if _, err := client.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "digits-cnn"}); err != nil {
		t.Errorf("gRPC with a key: %v", err)
	}
}

// TestReload: what Reload returns is applied; when it fails, or what it returns is wrong, everything stays.
func TestReload(t *testing.T) {
	o := options(enginetest.CPU(t), repository.Source{Path: digits})
	hangup := make(chan struct{})
	next := make(chan func() (repository.Options, error), 1)
	o.Hangup, o.Reload = hangup, func() (repository.Options, error) { return (<-next)() }
	r := run(t, o).ready(t)
	turn := func(want string, f func() (repository.Options, error)) {
		t.Helper()
		before := strings.Count(r.log.String(), want)
		next <- f
		hangup <- struct{}{}
		for end := time.Now().Add(20 * time.Second); strings.Count(r.log.String(), want) == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no %q in the log:\n%s", want, r.log)
			}
		}
	}
	turn("70ms", func() (repository.Options, error) {
		n := o.Repository
		n.Model.SLO = 70 * time.Millisecond
		return n, nil
	})
	if d := r.models.SLO("digits-cnn"); d != 70*time.Millisecond {
		t.Errorf("the SLO is %v", d)
	}
	turn("stays as it was", func() (repository.Options, error) {
		return repository.Options{}, fault.New(fault.Usage, "mend it", "a broken file")
	})
	if !strings.Contains(r.log.String(), `hint="mend it"`) {
		t.Errorf("no hint in the log:\n%s", r.log)
	}
	turn("stays as it was", func() (repository.Options, error) {
		n := o.Repository
		n.Model.Versions = "newest of all"
		return n, nil
	})
	if d := r.models.SLO("digits-cnn"); d != 70*time.Millisecond {
		t.Errorf("the SLO is %v after two broken files", d)
	}
}

func TestValidate(t *testing.T) {
	o := options(nil)
	o.HTTP, o.GRPC, o.Repository.Model.MaxBatch, o.ShutdownDelay, o.MetricsCompat = "off", "", -1, -time.Second, "x"
	err := o.Validate()
	if err == nil || fault.KindOf(err) != fault.Usage {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"neither HTTP nor gRPC", "max-batch", "shutdown-delay", `"x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if err := DefaultOptions.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := options(nil)
	o.Metrics = l.Addr().String()
	if _, err := Listen(context.Background(), o); err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "--metrics") {
		t.Errorf("got %v (%s)", err, fault.HintOf(err))
	}
	if err := CheckAddresses(context.Background(), o); err == nil || fault.KindOf(err) != fault.Usage {
		t.Errorf("a check of a taken port: %v", err)
	}
	_ = l.Close()
	for range 2 { // a check gives back what it takes
		if err := CheckAddresses(context.Background(), o); err != nil {
			t.Error(err)
		}
	}
	o.HTTP = o.Metrics
	if err := CheckAddresses(context.Background(), o); err == nil || !strings.Contains(fault.HintOf(err), "--http of this server has that port") {
		t.Errorf("one address twice: %v (%s)", err, fault.HintOf(err))
	}
	o.Metrics = "nonsense"
	if _, err := Listen(context.Background(), o); err == nil || fault.KindOf(err) != fault.Usage {
		t.Errorf("got %v", err)
	}
}

func hash(key string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(key))) }
