package cmd

import (
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/report"
)

// When GitHub shows a result, as --github takes it.
const (
	githubAuto   = "auto" // where GITHUB_ACTIONS is "true"
	githubAlways = "always"
	githubNever  = "never"
)

// githubFlags are the flags of commands whose result GitHub Actions shows: compare, report, loadtest and profile. They
// live in the app, for emit to mark the Markdown with the id.
type githubFlags struct {
	mode string
	id   string // of the pull-request comment, for a workflow with several
}

func (g *githubFlags) add(f *pflag.FlagSet) {
	f.StringVar(&g.mode, "github", githubAuto, "show the result in GitHub Actions (step summary, outputs, annotations): auto|always|never; auto: where GITHUB_ACTIONS is true")
	f.Lookup("github").NoOptDefVal = githubAlways
	f.StringVar(&g.id, "report-id", "", "`NAME` in the marker of the Markdown, by which a comment is found again, where there are several")
}

// validate returns what is wrong with the flags, of kind fault.Usage.
func (g *githubFlags) validate() error {
	return fault.New(fault.Internal, "", "not there yet")
}

// github shows d in GitHub Actions where --github says so: the Markdown joins the step's summary, verdict= and
// gate_failed= its outputs, and each gate becomes an annotation on stderr, which the runner reads like stdout. Call it
// after emit and before outcome.
func (a *app) github(d *report.Document) error {
	return nil
}
