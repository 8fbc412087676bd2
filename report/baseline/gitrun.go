package baseline

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"

	"infer/internal/fault"
)

// gitTime is how long one git command may take. They all work on this machine; only a broken disk takes longer.
const gitTime = 2 * time.Minute

// gitError is a git command that failed.
type gitError struct {
	command string
	code    int
	says    string // the first line that matters of what it wrote to stderr
}

func (e *gitError) Error() string { return "git " + e.command + ": " + e.says }

// runGit runs git in the current folder, with env besides that of this process, and returns what it wrote to stdout.
// A failure is a *gitError, perhaps inside of a fault.
func runGit(env []string, stdin []byte, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gitTime)
	defer cancel()
	c := exec.CommandContext(ctx, "git", args...)
	c.Env = append(append(os.Environ(), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0"), env...)
	c.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if err == nil {
		return stdout.String(), nil
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", fault.New(fault.Unsupported, "install git, or name a file or a folder as the baseline", "git is not installed")
	}
	failed := &gitError{command: args[0], says: says(stderr.String(), err)}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		failed.code = exit.ExitCode()
	}
	switch {
	case strings.Contains(stderr.String(), "not a git repository"):
		return "", fault.New(fault.Usage, "run it inside of the repository, or name a file or a folder as the baseline", "the current folder is in no git repository")
	case strings.Contains(stderr.String(), "dubious ownership"):
		return "", fault.New(fault.Usage, "git config --global --add safe.directory FOLDER, if you trust it", "the git repository belongs to another user: %w", failed)
	case strings.Contains(stderr.String(), "ermission denied"):
		return "", fault.New(fault.Internal, "make the git repository readable and writable for this user", "%w", failed)
	}
	return "", failed
}

// says is the line of git's stderr that tells what was wrong.
func says(stderr string, err error) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for _, line := range lines {
		for _, start := range []string{"fatal: ", "error: "} {
			if text, ok := strings.CutPrefix(line, start); ok {
				return text
			}
		}
	}
	if lines[0] != "" {
		return lines[0]
	}
	return err.Error()
}

// identity is who commits, as environment: nothing where git knows, else a name that is nobody's. A machine that runs
// checks often has none.
func identity() []string {
	if _, err := runGit(nil, nil, "var", "GIT_COMMITTER_IDENT"); err == nil {
		if _, err := runGit(nil, nil, "var", "GIT_AUTHOR_IDENT"); err == nil {
			return nil
		}
	}
	return []string{"GIT_AUTHOR_NAME=infer", "GIT_AUTHOR_EMAIL=infer@localhost", "GIT_COMMITTER_NAME=infer", "GIT_COMMITTER_EMAIL=infer@localhost"}
}
