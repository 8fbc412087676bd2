package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"infer/internal/term"
)

// TestDocsCommands reads every infer line of the manuals as the program would: its command and its flags are known, and
// their values are of the right kind. README.md's lines run (TestReadmeExamples).
func TestDocsCommands(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(block[1]) {
				line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
				if strings.HasPrefix(line, "infer ") {
					seen++
					readCommand(t, filepath.Base(file), words(line)[1:])
				}
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d commands", seen)
	}
}

func readCommand(t *testing.T, file string, args []string) {
	t.Helper()
	root := newRoot(&app{std: term.Streams{}})
	c, rest, err := root.Find(args)
	if err != nil || c == root {
		t.Errorf("%s: infer %s: no such command: %v", file, strings.Join(args, " "), err)
		return
	}
	if err := c.ParseFlags(rest); err != nil && err != pflag.ErrHelp {
		t.Errorf("%s: infer %s: %v", file, strings.Join(args, " "), err)
		return
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Errorf("%s: infer %s: %v", file, strings.Join(args, " "), err)
	}
	if at := c.ArgsLenAtDash(); at >= 0 {
		if _, err := checkServeArgs(&app{}, c.Flags().Args()[at:]); err != nil {
			t.Errorf("%s: infer %s: %v", file, strings.Join(args, " "), err)
		}
	}
}
