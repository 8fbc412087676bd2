package cmd

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/model/trace"
	"infer/profile/export"
	"infer/report"
)

// exportFile is one --export.
type exportFile struct {
	export.Format
	path string
}

// export writes the profile for other tools; where one cannot be written the others are all the same.
func (f *profileFlags) export(d *report.Document, t *trace.Trace) error {
	files, err := f.exportFiles()
	if err != nil || len(files) == 0 {
		return err
	}
	details, err := detailsOf[report.ProfileDetails](d)
	if err != nil {
		return err
	}
	s := export.Source{Document: d, Details: &details, Trace: t}
	var errs []error
	for _, e := range files {
		err := atomicfile.Write(e.path, func(w io.Writer) error { return e.Write(w, s) })
		if err != nil {
			errs = append(errs, fault.Wrap(err, "--export %s", e.Name))
		}
	}
	return errors.Join(errs...)
}

// checkExports refuses, before anything is measured, an --export that could not be written.
func (f *profileFlags) checkExports() error {
	files, err := f.exportFiles()
	if err != nil {
		return err
	}
	switch {
	case len(files) == 0:
	case f.diff != "":
		return fault.New(fault.Usage, "export a profile, not a difference: -o FILE --format json or csv writes that", "--export and --diff do not go together")
	case f.fromTrace == "" && f.opts.ProfiledRuns == 0:
		return fault.New(fault.Usage, "raise --profiled-runs", "--export needs a profiled pass")
	}
	return nil
}

// exportFiles reads the values of --export.
func (f *profileFlags) exportFiles() ([]exportFile, error) {
	var out []exportFile
	for _, text := range f.exports {
		e, err := parseExport(text)
		if err != nil {
			return nil, err
		}
		for _, o := range out {
			if o.Name == e.Name {
				return nil, fault.New(fault.Usage, "give each format once", "--export writes %s twice", e.Name)
			}
			if filepath.Clean(o.path) == filepath.Clean(e.path) {
				return nil, fault.New(fault.Usage, "give each its own file", "--export %s and --export %s both write %q", o.Name, e.Name, e.path)
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// parseExport reads FORMAT=FILE.
func parseExport(text string) (exportFile, error) {
	name, path, ok := strings.Cut(text, "=")
	if !ok || path == "" {
		return exportFile{}, fault.New(fault.Usage, "write --export FORMAT=FILE; "+exportHint(), "--export %q names no file", text)
	}
	for _, format := range export.Formats() {
		if format.Name == name {
			return exportFile{format, path}, nil
		}
	}
	return exportFile{}, fault.New(fault.Usage, exportHint(), "--export %q is no format", name)
}

// exportHint lists the formats.
func exportHint() string { return "the formats are " + strings.Join(exportNames(), ", ") }

func exportNames() []string {
	var names []string
	for _, format := range export.Formats() {
		names = append(names, format.Name)
	}
	return names
}
