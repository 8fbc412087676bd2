package child

import (
	"errors"
	"io/fs"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
)

// The places in a command where a free port goes.
const (
	httpPort = "{port}"
	grpcPort = "{grpc}"
)

// Serves reports whether the command is that of a server: it has a place for a port.
func (s Spec) Serves() bool {
	return strings.Contains(s.Command, httpPort) || strings.Contains(s.Command, grpcPort)
}

// ports are the free ports of a command, 0 where it has no place for one.
type ports struct{ http, grpc int }

// freePorts finds the ports that command needs. Nothing keeps another program from taking them first; the command then
// ends, saying so.
func freePorts(command string) (ports, error) {
	var p ports
	for _, want := range []struct {
		place string
		at    *int
	}{{httpPort, &p.http}, {grpcPort, &p.grpc}} {
		if !strings.Contains(command, want.place) {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports{}, fault.Wrap(err, "find a free port for command %q", command)
		}
		defer l.Close() // held until both are found, so that they differ
		*want.at = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

func (p ports) fill(command string) string {
	return strings.NewReplacer(httpPort, strconv.Itoa(p.http), grpcPort, strconv.Itoa(p.grpc)).Replace(command)
}

// newCmd makes the process of a command line. One without a character that means something to a shell is split at blanks:
// a shell would be one process more, between infer and what is measured.
func newCmd(command string, s Spec) (*exec.Cmd, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return nil, errors.New("it is empty")
	}
	if needsShell(words, command) {
		words = append(shell(), command)
	}
	c := exec.Command(words[0], words[1:]...)
	c.Dir, c.Env = s.Dir, s.environ()
	c.WaitDelay = 2 * time.Second // what it started may hold its output open
	Own(c)
	return c, nil
}

// Validate returns the error of Start for a command without a program, or with one that is not there. What a shell would not
// find is not seen.
func (s Spec) Validate() error {
	c, err := newCmd(s.Command, s)
	if err == nil {
		_, err = exec.LookPath(c.Args[0])
	}
	if err == nil {
		return nil
	}
	return notStarted(s.Command, err)
}

// needsShell reports whether a shell would do more with command than split it into words.
func needsShell(words []string, command string) bool {
	if len(shell()) == 0 {
		return false
	}
	if strings.ContainsAny(command, "|&;<>()$`\\\"'*?[]{}!\n") || strings.Contains(words[0], "=") {
		return true
	}
	for _, w := range words {
		if w[0] == '~' || w[0] == '#' {
			return true
		}
	}
	return false
}

// notStarted is the error of a command that could not be started.
func notStarted(command string, err error) error {
	hint := "try it in a shell first"
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		hint = "give the path of the program, or add its folder to PATH"
	}
	return fault.New(fault.Usage, hint, "start command %q: %w", command, err)
}
