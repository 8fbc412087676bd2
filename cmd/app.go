package cmd

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/internal/term"
)

// app is what every command shares: the streams, the flags that all have, the log and the progress bar.
type app struct {
	std    term.Streams
	args   []string // the command line, for the manifest
	out    outputFlags
	gh     githubFlags
	cfg    *config
	log    *slog.Logger
	bar    *term.Bar
	view   *term.Live
	top    int         // rows of long tables; 0: the renderer decides
	strict bool        // what is not trustworthy counts as a failure
	drains atomic.Bool // an interrupt begins an orderly end that the command speaks of itself
}

// outputFlags are the flags that every command has.
type outputFlags struct {
	format     string
	reports    []string
	config     string
	quiet      bool
	noProgress bool
	color      string
	logLevel   string
	logFormat  string
}

var formats = []string{"text", "json", "markdown", "html", "csv", "junit"}

func (o *outputFlags) add(f *pflag.FlagSet) {
	f.StringVar(&o.format, "format", "text", "result on stdout: "+strings.Join(formats, "|"))
	f.StringArrayVar(&o.reports, "report", nil, "write the result to `FILE` too; its ending says the format (.json .md .html .csv .xml); repeatable")
	f.StringVar(&o.config, "config", "", "configuration `FILE` (default: infer.yaml of this folder, where there is one)")
	f.BoolVar(&o.quiet, "quiet", false, "no progress and no notes on stderr, warnings and errors only")
	f.BoolVar(&o.noProgress, "no-progress", false, "no live progress on stderr")
	f.StringVar(&o.color, "color", term.ColorAuto, "colour: auto|always|never")
	f.StringVar(&o.logLevel, "log-level", "info", "least level on stderr: debug|info|warn|error")
	f.StringVar(&o.logFormat, "log-format", "text", "log lines on stderr: text|json")
	markTop(f, "format", "report", "quiet", "no-progress", "color", "log-level", "log-format")
}

func (o *outputFlags) validate() error {
	check := func(flag, value string, allowed ...string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		return fault.New(fault.Usage, "use one of: "+strings.Join(allowed, ", "), "--%s %q is not known", flag, value)
	}
	if err := check("format", o.format, formats...); err != nil {
		return err
	}
	if err := check("color", o.color, term.ColorAuto, term.ColorAlways, term.ColorNever); err != nil {
		return err
	}
	if err := check("log-format", o.logFormat, "text", "json"); err != nil {
		return err
	}
	if err := check("log-level", o.logLevel, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	for _, r := range o.reports {
		if _, err := formatOf(r); err != nil {
			return err
		}
	}
	return nil
}

// prepare runs before every command: configuration and environment fill the flags, then log and progress stand.
func (a *app) prepare(c *cobra.Command, _ []string) error {
	cfg, err := loadConfig(a.out.config, a.std, c.Root())
	if err != nil {
		return err
	}
	a.cfg = cfg
	if err := cfg.checkEnviron(c.Root()); err != nil {
		return err
	}
	if err := cfg.fill(c); err != nil {
		return err
	}
	if err := a.out.validate(); err != nil {
		return err
	}
	if err := a.gh.validate(); err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.out.logLevel)); err != nil {
		return fmt.Errorf("log level: %w", err)
	}
	if a.out.quiet {
		level = max(level, slog.LevelWarn)
	}
	var around func(func())
	if !a.out.quiet && !a.out.noProgress && a.std.UseProgress() {
		a.bar = term.NewBar(a.std.Err, a.std.UseColor(a.out.color, a.std.ErrTTY))
		around = a.around
	}
	a.log = term.NewLogger(a.std.Err, level, a.out.logFormat, around)
	if cfg.path != "" {
		a.log.Debug("configuration", "file", cfg.path)
		cfg.warnElsewhere(a.log)
	}
	return nil
}

// progress returns where long work reports to; nil-safe, silent without a terminal.
func (a *app) progress() progress.Func {
	if a.bar == nil {
		return nil
	}
	return a.bar.Event
}

// around calls f while nothing is drawn on the terminal.
func (a *app) around(f func()) {
	if a.view != nil {
		a.view.Around(f)
		return
	}
	a.bar.Around(f)
}

// close takes away what is drawn on the terminal.
func (a *app) close() {
	if a.bar != nil {
		a.bar.Close()
	}
	if a.view != nil {
		a.view.Close()
	}
}

// addOutputFlag adds -o, the file of the document, to commands that write nothing else.
func addOutputFlag(f *pflag.FlagSet, path *string) {
	f.StringVarP(path, "output", "o", "", "write the result to `FILE` instead of stdout")
}
