// Package cmd owns the command line: one file per subcommand with its flags, configuration and environment, the
// opening of engines and files, the output format and the exit code. It is the only home of cobra and viper.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/internal/term"
)

// Main runs the program and returns its exit code: 0 ok, 1 failed, 2 usage, 3 a gate was missed, 4 measured but not
// trustworthy, 130 interrupted. It never exits the process.
func Main(args []string, std term.Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	a := &app{std: std, args: args}
	finished := make(chan struct{})
	defer close(finished)
	context.AfterFunc(ctx, func() {
		select { // timeout(1) signals the process and then its group: the same wish, told twice
		case <-finished:
			return
		case <-time.After(500 * time.Millisecond):
		}
		stop() // from now on a second Ctrl-C ends the process at once
		select {
		case <-finished:
		case <-time.After(500 * time.Millisecond): // one long kernel cannot be cut short
			if a.drains.Load() {
				return // the server says itself what it waits for
			}
			fmt.Fprintln(std.Err, "infer: stopping after the current step; press Ctrl-C again to end at once")
		}
	})
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	err := root.ExecuteContext(ctx)
	a.close()
	if err == nil {
		return 0
	}
	printError(std, err)
	return fault.ExitCode(err)
}

// printError writes the one error line, and the hint where there is one.
func printError(std term.Streams, err error) {
	if errors.Is(err, context.Canceled) && fault.ExitCode(err) == 130 {
		fmt.Fprintln(std.Err, "infer: error: interrupted")
		return
	}
	fmt.Fprintf(std.Err, "infer: error: %s\n", term.Clean(strings.ReplaceAll(err.Error(), "\n", "; ")))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintf(std.Err, "infer: hint: %s\n", term.Clean(hint))
	}
}

func newRoot(a *app) *cobra.Command { return newRootWith(a, runServe) }

// newRootWith is newRoot with another run function of serve, which reads its flags and configuration again that way.
func newRootWith(a *app, serve func(context.Context, *app, []string, serveFlags) error) *cobra.Command {
	root := &cobra.Command{
		Use:   "infer",
		Short: "Profile, optimize, serve, load-test and compare ONNX models",
		Long: `infer profiles an ONNX model, tells where the time and the memory go, and makes it smaller and faster.

Every result is one document (--format json) with units, sample sizes and intervals;
the result goes to stdout, everything else to stderr.`,
		Example: `  infer inspect model.onnx
  infer profile model.onnx --batch 1,2,4,8
  infer profile model.onnx --gate 'latency_p99<20ms'
  infer quantize model.onnx --int8 --calib calib/
  infer predict model.onnx --input data/ -o out/
  infer serve model.onnx --check
  infer loadtest model.onnx --rps 500
  infer deploy docker model.onnx -o image/`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.prepare,
		Args:              usageArgs(cobra.NoArgs),
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	a.out.add(root.PersistentFlags())
	root.AddCommand(
		newInspectCmd(a, runInspect),
		newProfileCmd(a, runProfile),
		newCompareCmd(a, runCompare),
		newPredictCmd(a, runPredict),
		newQuantizeCmd(a, runQuantize),
		newOptimizeCmd(a, runOptimize),
		newConvertCmd(a, runConvert),
		newTuneCmd(a, runTune),
		newServeCmd(a, serve),
		newLoadtestCmd(a, runLoadtest),
		newReportCmd(a, runReport),
		newDeployCmd(a),
		newRuntimeCmd(a),
		newVersionCmd(a, runVersion),
		newColdCmd(a),
		newNullCmd(),
		newManCmd(),
	)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // cobra's own prints its help for an unknown shell and says that all is well
			c.Args, c.RunE = usageArgs(cobra.NoArgs), func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	return root
}

// flagError makes a wrong flag a usage error, with the flag that was probably meant.
func flagError(c *cobra.Command, err error) error {
	hint := "see '" + c.CommandPath() + " --help'"
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --"); unknown {
		if near := fault.Nearest(name, names); near != "" {
			hint = "did you mean --" + near + "?"
		}
	}
	return fault.New(fault.Usage, hint, "%s", withoutParser(err))
}

// parseNoise is how Go names what it could not parse; the flag and its value stand before it.
var parseNoise = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": |time: `)

func withoutParser(err error) string { return parseNoise.ReplaceAllString(err.Error(), "") }

// usageArgs makes a wrong argument count a usage error (exit 2), with cobra's suggestions for a misspelt command.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil {
			return nil
		}
		hint := "see '" + c.CommandPath() + " --help'"
		if c.HasSubCommands() && len(args) > 0 {
			err = fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean: " + strings.Join(near, ", ") + "?"
			}
		}
		return fault.New(fault.Usage, hint, "%w", err)
	}
}
