package cmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"runtime"

	"infer/internal/fault"
	"infer/loadtest"
	"infer/loadtest/sample"
	"infer/loadtest/search"
	"infer/report"
)

func runLoadtest(ctx context.Context, a *app, args []string, f loadtestFlags) error {
	o, m, err := f.options()
	if err != nil {
		return err
	}
	lo, hi, err := f.searchRange()
	if err != nil {
		return err
	}
	points, precision, err := f.asked(m)
	if err != nil {
		return err
	}
	r, err := f.openRig(ctx, a, a.targetOperand(args))
	if err != nil {
		return err
	}
	defer r.close()
	if err := a.checkOutputs(r.model, f.reads(), outputFile{"--output", f.output}, outputFile{"--samples-out", f.samples}); err != nil {
		return err
	}
	d := a.newDocument("loadtest")
	h := loadtest.Hooks{Live: a.live()}
	switch m {
	case finding:
		err = r.find(ctx, o, loadtest.FindOptions{Lo: lo, Hi: hi, MaxTime: f.maxTime}, h, d)
	case sweeping:
		err = r.sweep(ctx, o, points, h, d)
	default:
		err = r.load(ctx, o, m, precision, h, d)
	}
	if err != nil {
		if r.data != nil {
			return r.data.explain(err)
		}
		return err
	}
	a.strict = f.strict
	if err := a.emit(d, f.output); err != nil {
		return err
	}
	a.github(d)
	if err := outcome(d, f.strict); err != nil {
		return err
	}
	return r.lost
}

// asked reads the flags of a sweep and of a precision.
func (f *loadtestFlags) asked(m mode) (points []loadtest.Point, p loadtest.Precision, err error) {
	switch m {
	case sweeping:
		s, err := search.ParseSweep(f.sweep)
		if err != nil {
			return nil, p, err
		}
		for _, v := range s.Values {
			switch s.Axis {
			case search.AxisRate:
				points = append(points, loadtest.Point{Rate: v, Batch: f.target.batchOf()})
			case search.AxisConcurrency:
				points = append(points, loadtest.Point{Concurrency: int(v), Batch: f.target.batchOf()})
			default:
				points = append(points, loadtest.Point{Concurrency: f.offlineConcurrency(), Batch: int64(v)})
			}
		}
	case precise:
		p.Precision, err = search.ParsePrecision(f.precision)
		p.Text = "--precision " + f.precision
	}
	return points, p, err
}

// batchOf is --batch where it is more than the usual one row.
func (t *targetFlags) batchOf() int64 {
	if t.batch > 1 {
		return t.batch
	}
	return 0
}

// offlineConcurrency keeps every CPU of a server on the same machine busy.
func (f *loadtestFlags) offlineConcurrency() int {
	if f.opts.Concurrency > 0 {
		return f.opts.Concurrency
	}
	return max(2, runtime.NumCPU())
}

// reads are the files that the command reads.
func (f *loadtestFlags) reads() []string {
	list := []string{f.target.body, f.expectFrom, f.expect, f.replay, f.target.modelFile, f.target.caCert, f.target.cert, f.target.key}
	if !f.data.isMade() {
		list = append(list, f.data.Source)
	}
	return list
}

// find searches the highest rate.
func (r *loadRig) find(ctx context.Context, o loadtest.Options, fo loadtest.FindOptions, h loadtest.Hooks, d *report.Document) error {
	rig, err := r.rig(ctx, r.f.target.batch)
	if err != nil {
		return err
	}
	if err := r.describe(d, o); err != nil {
		return err
	}
	return loadtest.Find(ctx, rig, o, fo, h, d)
}

// sweep measures a curve; rigs of the same batch are made once.
func (r *loadRig) sweep(ctx context.Context, o loadtest.Options, points []loadtest.Point, h loadtest.Hooks, d *report.Document) error {
	rigs := map[int64]*loadtest.Rig{}
	rigOf := func(batch int64) (*loadtest.Rig, error) {
		if rig := rigs[batch]; rig != nil {
			return rig, nil
		}
		rig, err := r.rig(ctx, batch)
		rigs[batch] = rig
		return rig, err
	}
	if _, err := rigOf(max(1, points[0].Batch)); err != nil {
		return err
	}
	if err := r.describe(d, o); err != nil {
		return err
	}
	return loadtest.Sweep(ctx, rigOf, points, o, h, d)
}

// load offers one load and writes its samples where that is asked for.
func (r *loadRig) load(ctx context.Context, o loadtest.Options, m mode, p loadtest.Precision, h loadtest.Hooks, d *report.Document) error {
	batch := r.f.target.batch
	if m == offline {
		o.Concurrency = r.f.offlineConcurrency()
		if batch == 1 {
			batch = r.offlineBatch()
		}
	}
	rig, err := r.rig(ctx, batch)
	if err != nil {
		return err
	}
	if err := r.describe(d, o); err != nil {
		return err
	}
	samples, err := r.f.openSamples(&h)
	if err != nil {
		return err
	}
	defer samples.abort()
	var fold sample.FoldOptions
	if m == precise {
		fold, err = loadtest.Precise(ctx, rig, o, p, r.f.maxTime, h, d)
	} else {
		fold, err = loadtest.Run(ctx, rig, o, h, d)
	}
	if err != nil {
		return err
	}
	r.lost = samples.close(fold, d)
	return nil
}

// offlineBatch is how many rows a request of an offline load has: what the model's batch axis is fixed to, else 32.
func (r *loadRig) offlineBatch() int64 {
	const usual = 32
	if r.data != nil {
		if r.data.set != nil {
			return min(r.data.set.Rows(), r.data.rowsPerRun(0))
		}
		if _, err := r.data.atBatch(usual); err != nil {
			return 1
		}
		return usual
	}
	return 1
}

// samplesFile is the file of --samples-out; nil: none.
type samplesFile struct {
	w   *sample.Writer
	err error // of the first write that failed
}

// openSamples opens the file and lets the load write to it.
func (f *loadtestFlags) openSamples(h *loadtest.Hooks) (*samplesFile, error) {
	if f.samples == "" {
		return nil, nil
	}
	w, err := sample.Create(f.samples)
	if err != nil {
		return nil, fault.New(fault.Usage, "name a file in a folder that can be written", "--samples-out: %w", err)
	}
	s := &samplesFile{w: w}
	h.Samples = func(list []sample.Sample) {
		if s.err == nil {
			s.err = w.Add(list) // the load goes on: what it measures is worth more than the file
		}
	}
	return s, nil
}

// close finishes the file. What went wrong with it is a warning of the document, whose figures stand, and returned for
// the exit code.
func (s *samplesFile) close(fold sample.FoldOptions, d *report.Document) error {
	if s == nil {
		return nil
	}
	err := s.err
	if err == nil {
		var doc []byte
		if doc, err = json.Marshal(withoutFigures(d)); err == nil {
			err = s.w.Close(sample.Header{Fold: fold, Interrupted: d.Verdict == report.Interrupted, Document: doc})
		}
	}
	if err != nil {
		s.w.Abort()
		d.Warn("the samples were not written: %v", err)
		err = fault.New(fault.Internal, "the report has the figures; make room, or name another --samples-out", "the samples were not written: %w", err)
	}
	s.w = nil
	return err
}

// abort leaves nothing of a file that was not finished.
func (s *samplesFile) abort() {
	if s != nil && s.w != nil {
		s.w.Abort()
	}
}

// withoutFigures is d without what the samples hold better.
func withoutFigures(d *report.Document) *report.Document {
	var x report.LoadDetails
	if json.Unmarshal(d.Details, &x) != nil {
		return d
	}
	x.Figures = nil
	c := *d
	c.Metrics = nil
	if c.SetDetails(x) != nil {
		return d
	}
	return &c
}

// tls is the configuration of TLS that the flags ask for; nil: the system's authorities.
func (t *targetFlags) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.insecure} //nolint:gosec // that is what --insecure asks for
	switch {
	case t.caCert == "" && t.cert == "" && t.key == "" && !t.insecure:
		return nil, nil
	case (t.cert == "") != (t.key == ""):
		return nil, fault.New(fault.Usage, "give both", "--tls-cert and --tls-key go together")
	}
	if t.caCert != "" {
		pem, err := os.ReadFile(t.caCert)
		if err != nil {
			return nil, fault.New(fault.Usage, "name a PEM file", "--tls-ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Usage, "name a PEM file", "--tls-ca %q holds no certificate", t.caCert)
		}
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, fault.New(fault.Usage, "name a certificate and its key in PEM files", "--tls-cert: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
