package cmd

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
)

// serviceVariable is how Kubernetes and Docker name variables that they set for a service, which may be called
// infer-serve: INFER_SERVE_SERVICE_HOST, INFER_SERVE_PORT_8000_TCP_ADDR.
var serviceVariable = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$`)

// checkEnviron names the first variable INFER_COMMAND_… that no flag of the command stands for. Others that begin with
// INFER_ are left alone: they may be somebody else's.
func (c *config) checkEnviron(root *cobra.Command) error {
	if c.std.Environ == nil {
		return nil
	}
	var names []string
	for _, entry := range c.std.Environ() {
		if name, value, _ := strings.Cut(entry, "="); value != "" && strings.HasPrefix(name, "INFER_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, sub := range root.Commands() {
		prefix := "INFER_" + envName(sub.Name()) + "_"
		known := variables(sub, prefix)
		for _, name := range names {
			if sub.Hidden || !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || serviceVariable.MatchString(name) {
				continue
			}
			hint := "see 'infer " + sub.Name() + " --help' for the flags"
			if near := fault.Nearest(name, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			return fault.New(fault.Usage, hint, "environment: %s stands for no flag of infer %s", name, sub.Name())
		}
	}
	return nil
}

// variables returns the environment variables with a prefix that stand for flags of a command and of those below it.
func variables(c *cobra.Command, prefix string) []string {
	var known []string
	add := func(f *pflag.Flag) { known = append(known, prefix+envName(f.Name)) }
	c.Flags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	for _, sub := range c.Commands() {
		known = append(known, variables(sub, prefix)...)
	}
	return known
}
