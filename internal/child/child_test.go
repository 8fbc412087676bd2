package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"infer/internal/fault"
)

// role is the variable by which a process of this test program knows that it is a child, and which one.
const role = "CHILD_TEST_ROLE"

func TestMain(m *testing.M) {
	what := os.Getenv(role)
	if what == "" {
		os.Exit(m.Run())
	}
	play(what, os.Args[1:])
}

// play is what the children of the tests do.
func play(what string, args []string) {
	switch what {
	case "oip": // a server that is ready at its third answer
		asked := 0
		http.HandleFunc("/v2/health/ready", func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked < 3 {
				w.WriteHeader(http.StatusBadRequest)
			}
		})
		fail(http.ListenAndServe("127.0.0.1:"+args[0], nil))
	case "plain": // a server that knows no path
		fail(http.ListenAndServe("127.0.0.1:"+args[0], http.NotFoundHandler()))
	case "busy":
		fail(http.ListenAndServe("127.0.0.1:"+args[0], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		})))
	case "tcp":
		l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
		if err != nil {
			fail(err)
		}
		for {
			if _, err := l.Accept(); err != nil {
				fail(err)
			}
		}
	case "fails":
		fmt.Println("loading")
		fail(errors.New("no such model"))
	case "deaf": // does not end when it is asked to
		signal.Ignore(syscall.SIGTERM)
		fmt.Fprintln(os.Stderr, "deaf")
		time.Sleep(time.Hour)
	case "memory":
		b := make([]byte, 64<<20)
		for i := range b {
			b[i] = byte(i)
		}
		time.Sleep(300 * time.Millisecond)
		runtime.KeepAlive(b)
	case "talks": // answers a JSON string with itself, and "end"
		in := json.NewDecoder(os.Stdin)
		for n := 1; ; n++ {
			var word string
			if in.Decode(&word) != nil {
				return
			}
			fmt.Fprintf(os.Stderr, "heard %d\n", n)
			if n == 3 {
				fmt.Fprint(os.Stderr, "half a line")
			}
			_ = json.NewEncoder(os.Stdout).Encode(word)
			fmt.Println(`"end"`)
		}
	case "sleeps":
		time.Sleep(time.Hour)
	case "parent": // starts a command and says who it is; the test ends this process without a chance to clean up
		os.Unsetenv(role)
		p, err := Start(context.Background(), Spec{Command: args[0]})
		if err != nil {
			fail(err)
		}
		fmt.Println(p.cmd.Process.Pid)
		time.Sleep(time.Hour)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(7)
}

// spec is a command that runs this test program in a role.
func spec(t *testing.T, what, args string) Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(exe, " '\"") {
		t.Skip("the path of the test program needs quotes")
	}
	return Spec{Command: exe + " " + args, Env: []string{role + "=" + what}, Timeout: 20 * time.Second}
}

func start(t *testing.T, s Spec) *Process {
	t.Helper()
	p, err := Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// TestReady: servers of every sort are waited for, and their ports are those of the command.
func TestReady(t *testing.T) {
	for name, c := range map[string]struct{ what, args, address string }{
		"health path":    {"oip", "{port}", "http://127.0.0.1:%d/"},
		"no health path": {"plain", "{port}", "http://127.0.0.1:%d/v1/models/m:predict"},
		"grpc":           {"tcp", "{grpc}", "grpc://127.0.0.1:%d"},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, c.what, c.args)
			if !s.Serves() {
				t.Error("a server is taken for a command that ends")
			}
			p := start(t, s)
			if port := p.Port() + p.GRPC(); !strings.HasSuffix(p.Command(), " "+strconv.Itoa(port)) {
				t.Errorf("port %d of %q", port, p.Command())
			}
			if err := p.Ready(t.Context(), fmt.Sprintf(c.address, p.Port()+p.GRPC())); err != nil {
				t.Error(err)
			}
			if err := p.Err(); err != nil {
				t.Errorf("it runs, and its end is %v", err)
			}
			if got := p.PeakRSS(); runtime.GOOS == "linux" && (got < 1<<20 || got > 1<<30) {
				t.Errorf("peak of %d bytes", got)
			}
			p.Stop()
			if err := p.Err(); err == nil || !gone(p.cmd.Process.Pid) {
				t.Errorf("after Stop: %v", err)
			}
		})
	}
}

// TestReadyNever: what ends or never answers is said with its last words.
func TestReadyNever(t *testing.T) {
	p := start(t, spec(t, "fails", "{port}"))
	address := fmt.Sprintf("http://127.0.0.1:%d", p.Port())
	err := p.Ready(t.Context(), address)
	if err == nil || !strings.Contains(err.Error(), "ended before it was ready: exit status 7: loading; no such model") {
		t.Error(err)
	}
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "no such model") {
		t.Error(err)
	}
	s := spec(t, "busy", "{port}")
	s.Timeout = 300 * time.Millisecond
	p = start(t, s)
	if err := p.Ready(t.Context(), fmt.Sprintf("http://127.0.0.1:%d", p.Port())); fault.KindOf(err) != fault.Deadline {
		t.Error(err)
	}
	if err := p.Ready(t.Context(), "localhost"); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Ready(ctx, fmt.Sprintf("http://127.0.0.1:%d", p.Port())); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestPorts: the two ports of a command differ, and a port that is named twice is one.
func TestPorts(t *testing.T) {
	free, err := freePorts("serve {port} {grpc} {port}")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("serve %d %d %[1]d", free.http, free.grpc)
	if got := free.fill("serve {port} {grpc} {port}"); got != want || free.http == free.grpc || free.http == 0 || free.grpc == 0 {
		t.Errorf("%q of %+v", got, free)
	}
	if free, err := freePorts("run"); err != nil || free != (ports{}) || (Spec{Command: "run"}).Serves() {
		t.Errorf("%+v, %v", free, err)
	}
}

// TestShell: a shell is there only where it has something to do.
func TestShell(t *testing.T) {
	if len(shell()) == 0 {
		t.Skip("no shell on this system")
	}
	for command, want := range map[string]bool{
		"infer serve old.onnx --http :8000": false,
		"run --a=b --c=%d,e:f@g/h":          false,
		"THREADS=2 run":                     true,
		"run 'my model.onnx'":               true,
		"run $MODEL":                        true,
		"cd dir && run":                     true,
		"run ~/m.onnx":                      true,
		"run m~1.onnx":                      false,
		"run *.onnx":                        true,
	} {
		c, err := newCmd(command, Spec{})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Args[0] == "/bin/sh"; got != want {
			t.Errorf("%q: a shell: %v", command, got)
		}
	}
}

// TestNotStarted: what is no program is a usage error that says which.
func TestNotStarted(t *testing.T) {
	for _, command := range []string{"", "  ", "no-such-program-of-infer {port}", filepath.Join(t.TempDir(), "run")} {
		if err := (Spec{Command: strings.TrimSuffix(command, " {port}")}).Validate(); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", command, err)
		}
		_, err := Start(t.Context(), Spec{Command: command})
		if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", command, err)
		}
		if _, _, err := Time(t.Context(), Spec{Command: command}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", command, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Spec{Command: "true"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestStopKills: what does not end when asked is killed, with what it started; so it is when the context ends.
func TestStopKills(t *testing.T) {
	if testing.Short() {
		t.Skip("waits five seconds")
	}
	s := spec(t, "deaf", "& wait") // a shell with a deaf process
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Start(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return strings.Contains(p.out.Last(), "deaf") })
	cancel()
	p.Stop()
	if !gone(p.cmd.Process.Pid) {
		t.Errorf("%v are left of %q", members(p.cmd.Process.Pid), p.Command())
	}
}

// TestParentDies: nothing outlives a parent that is killed, not even what a shell has started.
func TestParentDies(t *testing.T) {
	if len(shell()) == 0 {
		t.Skip("no process groups on this system")
	}
	for name, command := range map[string]string{"program": "sleep 600", "shell": "sleep 600 & sleep 600; true"} {
		t.Run(name, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			parent := exec.Command(exe, command)
			parent.Env = append(os.Environ(), role+"=parent")
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			group, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil || gone(group) {
				t.Fatalf("group %q: %v", line, err)
			}
			_ = parent.Process.Kill()
			_ = parent.Wait()
			waitFor(t, func() bool { return gone(group) })
		})
	}
}

// waitFor waits until a thing that must come has come.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("it did not come within 20 s")
}

// TestTime: how long a program takes, what it needs, and how it fails.
func TestTime(t *testing.T) {
	took, peak, err := Time(t.Context(), spec(t, "memory", ""))
	if err != nil || took < 300*time.Millisecond {
		t.Errorf("%v, %v", took, err)
	}
	if runtime.GOOS == "linux" && (peak < 64<<20 || peak > 1<<30) {
		t.Errorf("a program that fills 64 MiB needed %d bytes", peak)
	}
	if _, _, err = Time(t.Context(), spec(t, "fails", "")); err == nil || !strings.Contains(err.Error(), "exit status 7: loading; no such model") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, _, err := Time(ctx, Spec{Command: "sleep 600"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestTimeSmall: the memory of a small program is its own, not that of the process that started it.
func TestTimeSmall(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the peak of a running process")
	}
	big := make([]byte, 200<<20)
	for i := range big {
		big[i] = 1
	}
	_, peak, err := Time(t.Context(), Spec{Command: "sleep 0.2"})
	if err != nil || peak == 0 || peak > 100<<20 {
		t.Errorf("sleep needed %d bytes, %v", peak, err)
	}
	runtime.KeepAlive(big)
}

// TestTail: the end of a long output is kept, and condensed to its last lines.
func TestTail(t *testing.T) {
	tail := NewTail(100)
	for i := range 1000 {
		fmt.Fprintf(tail, "line %d\n\n", i)
	}
	if got := tail.Last(); got != ": line 997; line 998; line 999" || len(tail.b) > 200 {
		t.Errorf("%q of %d bytes", got, len(tail.b))
	}
	if got := NewTail(10).Last(); got != "" {
		t.Errorf("%q", got)
	}
}
