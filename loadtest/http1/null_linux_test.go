//go:build linux && (amd64 || arm64)

package http1

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"infer/loadtest/null"
)

// nullServer is the environment variable that makes the test binary a server that does nothing, for benchmarks: it
// prints its address and answers until its standard input ends.
const nullServer = "INFER_TEST_NULL_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(nullServer) != "" {
		s, err := null.HTTP(null.Options{Body: []byte(`{"outputs":[1.25,0.5,0.25]}`)})
		if err != nil {
			panic(err)
		}
		fmt.Println(s.Addr())
		bufio.NewReader(os.Stdin).ReadByte()
		return
	}
	m.Run()
}

// startNull starts a server in a process of its own and returns its address. cpu ≥ 0 pins it.
func startNull(t testing.TB, cpu int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if cpu >= 0 {
		cmd = exec.Command("taskset", "-c", strconv.Itoa(cpu), os.Args[0])
	}
	cmd.Env = append(os.Environ(), nullServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
