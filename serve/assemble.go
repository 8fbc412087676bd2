package serve

import (
	"net/http"
	"time"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/serve/guard"
	"infer/serve/observe"
	"infer/serve/page"
	"infer/serve/repository"
	"infer/serve/rest"
	"infer/serve/rpc"
)

// assemble makes the parts of a server, who is told of what, and who answers where. Nothing runs yet.
func (s *Server) assemble() error {
	var err error
	if s.observe, err = observe.New(s.observeOptions()); err != nil {
		return err
	}
	o := s.o.Repository
	o.Observer, o.Log = s.observe, s.o.Log
	o.Explicit = s.o.AllowLoad || !off(s.o.Admin)
	if s.models, err = repository.New(o); err != nil {
		return err
	}
	s.fronts = map[string]frontEnd{}
	s.budget = guard.NewBudget(budget(host.ReadMemoryUse()))
	for _, name := range []string{"http", "admin"} {
		if s.sockets[name] == nil {
			continue
		}
		if s.fronts[name], err = rest.New(s.restOptions(name == "admin")); err != nil {
			return err
		}
	}
	if s.sockets["grpc"] != nil {
		s.fronts["grpc"] = rpc.New(s.rpcOptions())
	}
	s.metrics = &http.Server{Handler: s.metricsPage(), TLSConfig: s.o.TLS, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	return nil
}

func (s *Server) observeOptions() observe.Options {
	return observe.Options{
		Version: s.o.Version, Runtime: s.o.Runtime, Triton: s.o.MetricsCompat == "triton", Endpoint: s.o.OTLP, Log: s.o.Log,
		SLO: s.slo, Connections: s.connections,
		Stats: func() []repository.Stats {
			if s.models == nil {
				return nil
			}
			all, err := s.models.Stats("", "")
			if err != nil {
				return nil
			}
			return all
		},
		Index: func() []repository.State {
			if s.models == nil {
				return nil
			}
			return s.models.Index()
		},
	}
}

// slo is the objective of a model as it is now.
func (s *Server) slo(model string) time.Duration {
	if s.models == nil {
		return s.o.Repository.Model.SLO
	}
	return s.models.SLO(model)
}

// connections counts the open connections of each front end that knows.
func (s *Server) connections() map[string]int {
	open := map[string]int{}
	for name, f := range s.fronts {
		if c, ok := f.(interface{ Connections() int }); ok {
			open[name] = c.Connections()
		}
	}
	return open
}

func (s *Server) restOptions(admin bool) rest.Options {
	admin = admin || s.o.AllowLoad
	o := rest.Options{
		Repository: s.models, Observer: s.observe, Log: s.o.Log, TLS: s.o.TLS,
		Name: "infer", Version: s.o.Version, Admin: admin, CompatTriton: s.o.CompatTriton,
		Limits: s.o.Limits, MaxBody: s.o.MaxBody, MaxConnections: s.o.MaxConnections, Metrics: s.Address("metrics"),
		Budget: s.budget,
		Page:   page.New(page.Of(s.models, s.observe), admin).Get,
	}
	if s.o.AccessLog {
		o.AccessLog = s.o.Log
	}
	if s.o.Keys != nil {
		o.Authorize = s.o.Keys.Check
	}
	return o
}

func (s *Server) rpcOptions() rpc.Options {
	o := rpc.DefaultOptions
	o.Repository, o.Observer, o.Log, o.Keys, o.TLS = s.models, s.observe, s.o.Log, s.o.Keys, s.o.TLS
	o.Name, o.Version, o.Admin = "infer", s.o.Version, s.o.AllowLoad
	o.Limits, o.MaxMessage, o.MaxConnections, o.Budget = s.o.Limits, s.o.MaxBody, s.o.MaxConnections, s.budget
	return o
}

// metricsPage serves /metrics, to holders of a key with the scope metrics where keys are asked for.
func (s *Server) metricsPage() http.Handler {
	metrics := s.observe.Handler()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if s.o.Keys != nil {
			key := guard.Credential([]byte(r.Header.Get("Authorization")), []byte(r.Header.Get("X-API-Key")))
			if _, err := s.o.Keys.Check(key, guard.Metrics); err != nil {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, err.Error(), fault.HTTPStatus(err))
				return
			}
		}
		metrics.ServeHTTP(w, r)
	})
	return mux
}
