package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/deploy"
	"infer/internal/fault"
	"infer/model"
	"infer/model/declared"
	"infer/model/engine/ort/library"
	"infer/report"
	"infer/serve"
)

// newDeployCmd groups the ways to run a model elsewhere.
func newDeployCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "deploy",
		Short: "Write what runs a model elsewhere: an image, and a compose file around it",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newDeployDockerCmd(a, runDeployDocker))
	return c
}

// deployFlags are the flags of infer deploy docker.
type deployFlags struct {
	model  string
	serve  []string // arguments of infer serve, after --
	dir    string
	name   string // of the compose project
	binary string
	force  bool
	build  bool
}

func newDeployDockerCmd(a *app, run func(context.Context, *app, deployFlags) error) *cobra.Command {
	var f deployFlags
	c := &cobra.Command{
		Use:   "docker [MODEL|DIR] -o DIR [-- SERVE FLAGS]",
		Short: "Write a Dockerfile with everything it needs, and a compose file with Prometheus, Grafana and Jaeger",
		Long: `docker writes a folder that an image is built of: Dockerfile, .dockerignore, the model with its external data and
MODEL.io.yaml, infer itself, and the ONNX Runtime wheel as a name with its sha256. The image has no shell, runs as an
unprivileged user and checks its own health. compose.yaml runs it beside Prometheus (with alert rules), Grafana (with
the dashboard) and Jaeger.

What stands after -- are flags of infer serve that the image starts with; the ports are the image's own, and keys and
certificates are mounted, not built in. The same model and flags give the same files. With --force the folder holds this
model alone: files of an earlier run that this one does not write are removed, and files of your own stay.`,
		Example: `  infer deploy docker model.onnx -o deploy/
  infer deploy docker model.onnx -o deploy/ --force -- --slo 50ms`,
		Args: func(c *cobra.Command, args []string) error {
			if at := c.ArgsLenAtDash(); at >= 0 {
				args = args[:at]
			}
			return usageArgs(cobra.MaximumNArgs(1))(c, args)
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			if at := c.ArgsLenAtDash(); at >= 0 {
				args, f.serve = args[:at], args[at:]
			}
			if f.model, err = a.modelOperand(args); err != nil {
				return err
			}
			return run(c.Context(), a, f)
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.dir, "output", "o", "", "`DIR` to write to; made where it is not there")
	fs.StringVar(&f.name, "name", "", "`NAME` of the compose project (default: infer- and the name of DIR, whatever the model is called)")
	fs.StringVar(&f.binary, "binary", "", "the infer for Linux that goes into the image, a `FILE` (default: this program)")
	fs.BoolVar(&f.force, "force", false, "replace what an earlier run wrote, and files that are in the way")
	fs.BoolVar(&f.build, "build", false, "build the image too, with the Docker engine of this machine")
	return c
}

func runDeployDocker(ctx context.Context, a *app, f deployFlags) error {
	if f.dir == "" {
		return fault.New(fault.Usage, "pass -o DIR", "no folder is given for the files")
	}
	opts, err := checkServeArgs(a, f.serve)
	if err != nil {
		return err
	}
	if err := a.checkOutputs(nil, nil); err != nil {
		return err
	}
	d := a.newDocument("deploy")
	docker, files, err := f.plan(d, opts)
	if err != nil {
		return err
	}
	written, removed, err := deploy.Write(f.dir, files, f.force)
	if err != nil {
		return err
	}
	for _, r := range removed {
		a.log.Info("removed: an earlier run wrote it, and this one does not", "file", filepath.Join(f.dir, filepath.FromSlash(r)))
	}
	details := report.DeployDetails{Target: "docker", Folder: f.dir, Image: docker.Image()}
	for _, w := range written {
		details.Files = append(details.Files, report.FileDigest{Path: w.Path, Bytes: w.Bytes, SHA256: w.SHA256})
	}
	failed := f.image(ctx, a, &details)
	if err := d.SetDetails(details); err != nil {
		return err
	}
	if err := a.emit(d, ""); err != nil {
		return err
	}
	return failed
}

// notInImage are the flags of infer serve that an image cannot start with.
var notInImage = func() (list []struct{ flag, why, hint string }) {
	add := func(why, hint string, flags ...string) {
		for _, f := range flags {
			list = append(list, struct{ flag, why, hint string }{f, why, strings.ReplaceAll(hint, "ENV", "INFER_SERVE_"+envName(f))})
		}
	}
	add("names a file of this machine, and keys and certificates are not built into an image",
		"mount it when the container starts: -v /path/to/file:/run/infer/file:ro -e ENV=/run/infer/file", "keys-file", "tls-cert", "tls-key", "tls-client-ca")
	add("is fixed in the image: its health check and the compose file ask there",
		"map another port of the host when the container starts, such as -p 9000:8000", "http", "grpc", "metrics")
	add("names a file of this machine, which is not in the image", "write its serve options as flags after --", "config")
	add("names a file of this machine, and the image has the ONNX Runtime that infer pins", "leave it out", "ort-library")
	add("names a file of this machine, which is not in the image", "build an image of your own on top of this one", "custom-ops")
	add("serves nothing", "leave it out", "check", "probe")
	return list
}()

// checkServeArgs returns the options that arguments of infer serve mean, and reports those that it would refuse: an image
// that cannot start is found out too late.
func checkServeArgs(a *app, args []string) (o serve.Options, err error) {
	var parsed serveFlags
	c := newServeCmd(a, func(_ context.Context, _ *app, _ []string, f serveFlags) error {
		parsed = f
		return nil
	})
	(&cobra.Command{Use: "infer"}).AddCommand(c) // its name in hints
	var common outputFlags
	common.add(c.Flags())
	switch err := c.ParseFlags(args); {
	case errors.Is(err, pflag.ErrHelp):
		return o, fault.New(fault.Usage, "see 'infer serve --help'", "after --: --help is not for an image")
	case err != nil:
		return o, fault.Wrap(flagError(c, err), "after --")
	}
	for _, n := range notInImage {
		if flag := c.Flags().Lookup(n.flag); flag != nil && flag.Changed {
			return o, fault.New(fault.Usage, n.hint, "after --: --%s %s", n.flag, n.why)
		}
	}
	if left := c.Flags().Args(); len(left) > 0 {
		return o, fault.New(fault.Usage, "the model stands before --", "after --: %q is no flag of infer serve", left[0])
	}
	if err := c.RunE(c, nil); err != nil {
		return o, err
	}
	if wanted, _ := parsed.engine.wanted(); len(wanted) > 0 {
		return o, fault.New(fault.Usage, "leave it out", "after --: --provider %s needs another library than the image has: the ONNX Runtime that infer pins", wanted[0])
	}
	return parsed.opts, fault.Wrap(parsed.opts.Validate(), "after --")
}

// stopping is what the server may take to end beside its --shutdown-delay and --shutdown-timeout.
const stopping = 15 * time.Second

// plan puts together what is written, and names the model in the document.
func (f *deployFlags) plan(d *report.Document, o serve.Options) (deploy.Docker, []deploy.File, error) {
	docker := deploy.Docker{
		Args: f.serve, Grace: o.ShutdownDelay + o.ShutdownTimeout + stopping, Images: deploy.DefaultImages, Runtime: deploy.Runtime{Version: library.Pinned},
	}
	for _, w := range library.Wheels("linux") {
		docker.Runtime.Library = w.Library
		docker.Runtime.Wheels = append(docker.Runtime.Wheels, deploy.Wheel{Platform: w.Platform, SHA256: w.SHA256})
	}
	var err error
	if docker.Project = f.name; f.name == "" {
		if docker.Project, err = deploy.ProjectOf(f.dir); err != nil {
			return docker, nil, err
		}
	}
	if err := deploy.CheckProject(docker.Project); err != nil {
		return docker, nil, err
	}
	files, err := f.models(d, &docker)
	if err != nil {
		return docker, nil, err
	}
	program := f.binary
	if program == "" {
		if program, err = os.Executable(); err != nil {
			return docker, nil, err
		}
	}
	infer, err := deploy.Program(program, deploy.BaseGlibc, docker.Runtime.Wheels)
	if err != nil {
		return docker, nil, err
	}
	rendered, err := docker.Files()
	return docker, append(append(rendered, infer), files...), err
}

// models returns the files of the model, or of the folder of models.
func (f *deployFlags) models(d *report.Document, docker *deploy.Docker) ([]deploy.File, error) {
	if info, err := os.Stat(f.model); err == nil && info.IsDir() {
		whole, err := filepath.Abs(f.model)
		if err != nil {
			return nil, err
		}
		docker.Name = filepath.Base(whole)
		docker.Model = docker.Name
		if inside(f.dir, f.model) {
			return nil, fault.New(fault.Usage, "name a folder elsewhere with -o", "%q lies inside the folder of models %q", f.dir, f.model)
		}
		return deploy.Models(f.model)
	}
	m, err := loadModel(f.model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	sum, err := m.Digest()
	if err != nil {
		return nil, err
	}
	d.Manifest.Model = &report.ModelRef{Path: m.Path, SHA256: sum, Bytes: m.Bytes()}
	docker.Digest = sum
	docker.Name = strings.TrimSuffix(filepath.Base(m.Path), filepath.Ext(m.Path))
	others, err := companions(m)
	if err != nil {
		return nil, err
	}
	files, inner, err := deploy.Model(m, others)
	docker.Model = inner
	return files, err
}

// inside reports whether dir is parent or lies below it.
func inside(dir, parent string) bool {
	a, errA := filepath.Abs(dir)
	b, errB := filepath.Abs(parent)
	inner, err := filepath.Rel(b, a)
	return errA == nil && errB == nil && err == nil && filepath.IsLocal(inner)
}

// companions are the files beside a model that the server reads too: its declaration, and those that this one names.
func companions(m *model.Model) ([]string, error) {
	path, ok := declared.Find(m.Path)
	if !ok {
		return nil, nil
	}
	x, err := declared.Open(path, m.Inputs(), m.Outputs())
	if err != nil {
		return nil, err
	}
	return declared.Files(x.Path())
}

// image builds the image where that is asked for, and says why it was not built.
func (f *deployFlags) image(ctx context.Context, a *app, d *report.DeployDetails) error {
	build := "docker build -t " + d.Image + " " + f.dir
	if err := engineAnswers(ctx); err != nil {
		d.Reason = "no Docker engine answers on this machine"
		d.Next = &report.NextStep{Command: build, Why: "where there is one, this builds the image"}
		if f.build {
			return fault.New(fault.Unsupported, "start Docker, or run '"+build+"' where it runs", "the files are written, and the image is not built: no Docker engine answers: %w", err)
		}
		return nil
	}
	if !f.build {
		d.Reason = "--build was not given"
		d.Next = &report.NextStep{Command: build, Why: "this builds the image"}
		return nil
	}
	c := exec.CommandContext(ctx, "docker", "build", "-t", d.Image, f.dir)
	c.Stdout, c.Stderr = a.std.Err, a.std.Err
	if err := c.Run(); err != nil {
		d.Reason = "docker build failed"
		return fault.New(fault.Internal, "its own words are above", "docker build: %w", err)
	}
	d.Built = true
	d.Next = &report.NextStep{Command: fmt.Sprintf("docker compose -f %s up", filepath.Join(f.dir, "compose.yaml")), Why: "this runs it, and what watches it"}
	return nil
}

// engineAnswers asks the Docker engine for its version.
func engineAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").Run()
}
