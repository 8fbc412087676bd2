package cmd

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/serve"
	"infer/serve/guard"
	"infer/serve/repository"
)

// serveFlags are the flags of infer serve.
type serveFlags struct {
	engine   engineFlags
	opts     serve.Options
	maxBody  string
	check    bool
	probe    string
	cert     string
	key      string
	clientCA string
	keys     string
	values   map[string]string // of all flags, to see at a reload which of them changed
}

func newServeCmd(a *app, run func(context.Context, *app, []string, serveFlags) error) *cobra.Command {
	f := serveFlags{opts: serve.DefaultOptions, maxBody: "64MiB"}
	c := &cobra.Command{
		Use:   "serve [MODEL|DIR|name=MODEL]...",
		Short: "Serve models over HTTP and gRPC, batching to a latency objective",
		Long: `serve answers inference requests in the Open Inference Protocol v2 (REST with binary tensors, and gRPC), TensorFlow
Serving's and TorchServe's forms, and the plain POST /predict. Official Triton and KServe clients work with it.

A folder may hold models (NAME.onnx), models with versions (NAME/VERSION/model.onnx), or the versions of one model.
Requests are batched only where that was measured to pay and proven to change nothing; with --slo they are refused
early instead of answered late. SIGTERM drains, SIGHUP reads the configuration again.`,
		Example: `  infer serve model.onnx --check
  infer serve model.onnx --slo 50ms
  infer serve models/ --watch 2s --admin 127.0.0.1:8003
  infer serve small=a.onnx large=b.onnx --grpc off`,
		RunE: func(c *cobra.Command, args []string) error {
			f.values = map[string]string{}
			c.Flags().VisitAll(func(fl *pflag.Flag) { f.values[fl.Name] = fl.Value.String() })
			return run(c.Context(), a, args, f)
		},
	}
	fs := c.Flags()
	f.addListeners(fs)
	f.addModelOptions(fs)
	f.addGuards(fs)
	f.addOperations(fs)
	f.engine.add(fs)
	threads := fs.Lookup("threads")
	threads.Usage = "intra-op threads of an instance (default: planned from the CPUs that may really be used)"
	return c
}

func (f *serveFlags) addListeners(fs *pflag.FlagSet) {
	fs.StringVar(&f.opts.HTTP, "http", f.opts.HTTP, "`ADDRESS` for HTTP, or off")
	fs.StringVar(&f.opts.GRPC, "grpc", f.opts.GRPC, "`ADDRESS` for gRPC, or off")
	fs.StringVar(&f.opts.Metrics, "metrics", f.opts.Metrics, "`ADDRESS` for Prometheus metrics, or off")
	fs.StringVar(&f.opts.Admin, "admin", f.opts.Admin, "`ADDRESS` for loading, unloading and splitting (default: off)")
}

func (f *serveFlags) addModelOptions(fs *pflag.FlagSet) {
	m := &f.opts.Repository.Model
	fs.DurationVar(&m.SLO, "slo", 0, "`TIME` from arrival to answer that batching and admission keep to (default: none)")
	fs.IntVar(&m.MaxBatch, "max-batch", 0, "rows of a run at most; 1: no batching (default: learned)")
	fs.DurationVar(&m.MaxDelay, "max-delay", 0, "fixed `TIME` to wait for more rows (default: none, or as the latency model says)")
	fs.DurationVar(&m.MaxWait, "max-wait", 0, "predicted queue `TIME` above which a request without a deadline is refused (default 1s)")
	fs.IntVar(&m.MaxQueue, "max-queue", 0, "requests that may wait (default 1024)")
	fs.IntVar(&m.Instances, "instances", 0, "runs at a time (default: planned)")
	fs.StringVar(&m.Versions, "versions", "", "versions to load of a model folder: latest, latest:N, all, or 1,3 (default latest)")
	fs.DurationVar(&f.opts.Repository.Watch, "watch", f.opts.Repository.Watch, "`INTERVAL` at which folders are looked at for new versions; 0: never")
	fs.BoolVar(&f.opts.AllowLoad, "allow-load", false, "let clients load, unload and split models on the main addresses too, not only on --admin")
}

func (f *serveFlags) addGuards(fs *pflag.FlagSet) {
	fs.StringVar(&f.cert, "tls-cert", "", "certificate `FILE` (PEM) for every address, --metrics and --admin too; read again when it changes")
	fs.StringVar(&f.key, "tls-key", "", "private key `FILE` (PEM)")
	fs.StringVar(&f.clientCA, "tls-client-ca", "", "`FILE` of certificate authorities that clients must have a certificate of")
	fs.StringVar(&f.keys, "keys-file", "", "`FILE` of API keys: name, SHA-256 and scopes")
	fs.StringVar(&f.maxBody, "max-body", f.maxBody, "largest request, compressed or not")
	fs.IntVar(&f.opts.MaxConnections, "max-connections", f.opts.MaxConnections, "connections at a time, for HTTP and gRPC each")
}

func (f *serveFlags) addOperations(fs *pflag.FlagSet) {
	o := &f.opts
	fs.DurationVar(&o.ShutdownDelay, "shutdown-delay", o.ShutdownDelay, "`TIME` after SIGTERM in which it is not ready but still accepts, for load balancers to notice")
	fs.DurationVar(&o.ShutdownTimeout, "shutdown-timeout", o.ShutdownTimeout, "`TIME` for running requests to finish after that")
	fs.BoolVar(&o.AccessLog, "access-log", false, "log every request")
	fs.BoolVar(&o.CompatTriton, "compat-triton", false, "answer health checks with Triton's statuses and empty bodies")
	fs.StringVar(&o.MetricsCompat, "metrics-compat", "", "other `NAMES` of metrics besides: triton")
	fs.StringVar(&o.OTLP, "otlp", "", "OTLP `ENDPOINT` for traces, such as http://localhost:4317 (default: the OTEL_* variables)")
	fs.BoolVar(&f.check, "check", false, "load and check everything, serve nothing")
	fs.StringVar(&f.probe, "probe", "", "ask the readiness `URL` of a running server and exit 0 or 1 (for health checks in containers)")
}

func runServe(ctx context.Context, a *app, args []string, f serveFlags) error {
	if f.probe != "" {
		return serve.Probe(ctx, f.probeURL())
	}
	o, err := f.options(a, args)
	if err != nil {
		return err
	}
	rt, lib, err := a.openRuntime(ctx, f.engine)
	if err != nil {
		return err
	}
	defer rt.Close()
	o.Runtime = lib.Version
	if o.Repository.Provider, err = rt.Provider(o.Repository.Config.Providers[0].Name); err != nil {
		return err
	}
	if f.check {
		if err := serve.CheckAddresses(ctx, o); err != nil {
			return err
		}
		if err := repository.Check(ctx, o.Repository); err != nil {
			return err
		}
		a.log.Info("everything loads; nothing was served")
		return nil
	}
	a.drains.Store(true)
	hangup := make(chan struct{}, 1)
	stop := notifyHangup(hangup)
	defer stop()
	o.Hangup = hangup
	o.Reload = func() (repository.Options, error) { return f.reload(a, args, o.Repository) }
	s, err := serve.Listen(ctx, o)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// probeURL is the URL of --probe, by https where this server's own options say TLS: the health check of an image stays the
// same when a certificate is mounted.
func (f *serveFlags) probeURL() string {
	if rest, plain := strings.CutPrefix(f.probe, "http://"); plain && f.cert != "" {
		return "https://" + rest
	}
	return f.probe
}

// options puts flags and configuration together and checks what needs no runtime.
func (f *serveFlags) options(a *app, args []string) (serve.Options, error) {
	o := f.opts
	o.Log, o.Version = a.log, toolVersion()
	if a.cfg != nil {
		o.Config = a.cfg.path
	}
	size, err := parseBytes(f.maxBody)
	if err != nil {
		return o, fault.New(fault.Usage, "give a size such as 64MiB", "--max-body: %w", err)
	}
	o.MaxBody, o.Limits.Bytes = int(size), size
	o.Limits.Elements = max(o.Limits.Elements, size) // of a byte each
	if err := o.Validate(); err != nil {
		return o, err
	}
	if o.Repository.Config, err = f.engine.config(); err != nil {
		return o, err
	}
	o.Repository.Model.Threads = f.engine.threads
	o.Repository.Config.Threads = 0
	o.Repository.CPUs = host.EffectiveCPUs().Count
	o.Repository.Log = a.log
	if err := f.models(a, args, &o.Repository); err != nil {
		return o, err
	}
	return o, f.guards(&o)
}

func (f *serveFlags) guards(o *serve.Options) error {
	switch {
	case f.cert != "" && f.key == "":
		return fault.New(fault.Usage, "pass --tls-key too", "--tls-cert has no key")
	case f.cert == "" && (f.key != "" || f.clientCA != ""):
		return fault.New(fault.Usage, "pass --tls-cert too", "--tls-key or --tls-client-ca without a certificate")
	}
	var err error
	if f.cert != "" {
		if o.TLS, err = guard.TLS(f.cert, f.key, f.clientCA, o.Log); err != nil {
			return err
		}
	}
	if f.keys != "" {
		o.Keys, err = guard.OpenKeys(f.keys, o.Log)
	}
	return err
}

// models fills in what is served: the operands, else the models of the configuration, else the one model that every
// command takes.
func (f *serveFlags) models(a *app, args []string, o *repository.Options) error {
	entries, err := a.cfg.serveModels(o.Model)
	if err != nil {
		return err
	}
	o.Sources, o.Models = nil, map[string]repository.ModelOptions{}
	for _, arg := range args {
		o.Sources = append(o.Sources, sourceOf(arg))
	}
	for i, e := range entries {
		if e.Path == "" && len(args) == 0 {
			return fault.New(fault.Usage, "add path: model.onnx, or name the models on the command line", "configuration %q: serve.models[%d]: model %q: path is missing", a.cfg.path, i, e.Name)
		}
		if len(args) == 0 {
			o.Sources = append(o.Sources, repository.Source{Name: e.Name, Path: e.Path})
		}
		o.Models[e.Name] = e.ModelOptions
	}
	if len(o.Sources) == 0 {
		path, err := a.modelOperand(nil)
		if err != nil {
			return err
		}
		o.Sources = []repository.Source{{Path: path}}
	}
	for _, s := range o.Sources {
		if _, err := os.Stat(s.Path); err != nil {
			return fault.New(fault.Usage, "name an .onnx file or a folder of models, or name=FILE", "model %q does not exist", s.Path)
		}
	}
	if len(args) == 0 {
		return nil
	}
	return a.cfg.checkServed(entries, o.Sources)
}

// sourceOf reads NAME=PATH or PATH. A file whose name has an equals sign in it is a path.
func sourceOf(arg string) repository.Source {
	name, path, named := strings.Cut(arg, "=")
	if _, err := os.Stat(arg); err == nil || !named || strings.ContainsRune(name, filepath.Separator) {
		return repository.Source{Path: arg}
	}
	return repository.Source{Name: name, Path: path}
}

// reloaded are the flags that a reload takes over; the others need a restart.
var reloaded = []string{"slo", "max-batch", "max-delay", "max-wait", "max-queue", "instances", "threads", "versions"}

// needRestart names the flags that have another value in g and keep the one that they have.
func (f *serveFlags) needRestart(g serveFlags) []string {
	var names []string
	for _, name := range sortedKeys(g.values) {
		if g.values[name] != f.values[name] && !slices.Contains(reloaded, name) {
			names = append(names, name)
		}
	}
	return names
}

// reload reads the configuration file again and returns the options of the repository as it says now. What is no
// option of a model stays until a restart, which is said.
func (f *serveFlags) reload(a *app, args []string, was repository.Options) (repository.Options, error) {
	if a.cfg == nil || a.cfg.path == "" {
		return was, fault.New(fault.Usage, "start with --config FILE", "there is no configuration file to read again")
	}
	fresh := &app{std: a.std, args: a.args}
	root := newRootWith(fresh, func(_ context.Context, b *app, _ []string, g serveFlags) error {
		o, err := g.options(b, args)
		if err == nil {
			o.Repository.Provider, o.Repository.Log = was.Provider, was.Log
			was = o.Repository
			if names := f.needRestart(g); len(names) > 0 {
				a.log.Warn("changed in the configuration, and needs a restart: " + strings.Join(names, ", "))
			}
		}
		return err
	})
	root.SetArgs(a.args)
	root.SetOut(a.std.Err)
	root.SetErr(a.std.Err)
	return was, root.ExecuteContext(context.Background())
}

// notifyHangup sends to c for every SIGHUP until the returned function is called.
func notifyHangup(c chan<- struct{}) (stop func()) {
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-sig:
				select {
				case c <- struct{}{}:
				default:
				}
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(sig); close(done) }
}
