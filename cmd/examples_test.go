package cmd

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"infer/internal/term"
)

// TestReadmeExamples runs every line of the README's sh block, from a folder that has the repository's testdata.
func TestReadmeExamples(t *testing.T) {
	needEngine(t)
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "```sh\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatal("README.md has no sh block")
	}
	data, err := filepath.Abs("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.Symlink(data, "testdata"); err != nil {
		t.Skip("no symbolic links:", err)
	}
	ran := 0
	for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
		t.Run(line, func(t *testing.T) { runExample(t, line) })
		ran++
	}
	if ran < 5 {
		t.Errorf("only %d examples", ran)
	}
}

// TestHelpExamples runs the examples of every --help, in a folder that has the files they name.
func TestHelpExamples(t *testing.T) {
	needEngine(t)
	model, err := os.ReadFile(digits)
	if err != nil {
		t.Fatal(err)
	}
	data, err := filepath.Abs("../testdata/digits/test")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.Mkdir("models", 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.onnx", "other.onnx", "a.onnx", "b.onnx", "base.onnx", "head.onnx", "models/model.onnx"} {
		if err := os.WriteFile(name, model, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	labels, err := os.ReadFile(filepath.Join(data, "labels.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("labels.npy", labels, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{"data": data, "test": data, "calib": filepath.Join(data, "../calib")} {
		if err := os.Symlink(folder, name); err != nil {
			t.Skip("no symbolic links:", err)
		}
	}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		for _, line := range strings.Split(c.Example, "\n") {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "infer ") {
				t.Run(line, func(t *testing.T) { runExample(t, line) })
			}
		}
		if c.Name() != "completion" {
			for _, sub := range c.Commands() {
				visit(sub)
			}
		}
	}
	visit(newRoot(&app{std: term.Streams{}}))
}

func runExample(t *testing.T, line string) {
	t.Helper()
	args := words(line)
	if args[0] != "infer" {
		t.Fatalf("%q does not start with infer", line)
	}
	args = args[1:]
	if args[0] == "profile" {
		args = shortProfile(line, args)
	}
	if args[0] == "optimize" {
		args = append(args, "--race-time", "300ms")
	}
	if args[0] == "serve" && !strings.Contains(line, "--check") { // it would never end; TestServe runs it for real
		args = append(args, "--check")
	}
	if args[0] == "serve" { // the ports of the examples may be taken on this machine
		args = append(args, "--http", "127.0.0.1:0", "--grpc", "off", "--metrics", "off", "--admin", "off")
	}
	if args[0] == "quantize" { // whether it pays is not for a test machine to say
		args = append(args, "--race-time", "100ms", "--allow-slower")
	}
	if args[0] == "tune" {
		args = append(args, "--max-time", "1s")
	}
	if args[0] == "loadtest" {
		args = shortLoad(t, args)
	}
	if args[0] == "compare" {
		args = shortComparison(t, args)
	}
	if args[0] == "report" {
		for _, name := range []string{"run.json", "run1.json", "run2.json", "fp32.json", "int8.json"} {
			if _, err := os.Stat(name); err != nil && strings.Contains(line, name) || strings.Contains(line, "run.samples") && name == "run.json" {
				infer(t, passedOn(), "loadtest", "model.onnx", "--rps", "300", "--duration", "300ms", "-o", name, "--format", "json", "--samples-out", "run.samples")
			}
		}
	}
	// A shared machine may be too noisy for --strict (4); the gates themselves must hold.
	loads := args[0] == "loadtest" || args[0] == "report" || args[0] == "compare" || args[0] == "tune" // a shared machine may be too noisy for these as well, or too slow for their objectives
	if r := infer(t, passedOn(), args...); r.code != 0 && !(r.code == 4 && strings.Contains(line, "--strict")) && !(loads && (r.code == 3 || r.code == 4)) {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// shortProfile makes the timed phase of a profile short; one that only reads runs nothing.
func shortProfile(line string, args []string) []string {
	for _, reads := range []string{"--from-trace", "--diff", "--list-advice"} {
		if strings.Contains(line, reads) {
			return args
		}
	}
	args = append(args, "--warm-up", "3")
	if !strings.Contains(line, "--runs") {
		args = append(args, "--duration", "100ms", "--cold", "1")
	}
	return args
}

// shortLoad starts the server that an example loads, and makes the load short.
func shortLoad(t *testing.T, args []string) []string {
	t.Helper()
	var out []string
	for i := 0; i < len(args); i++ {
		switch {
		case strings.HasPrefix(args[i], "http://localhost"):
			_, address, _ := serverProcess(t, "model.onnx")
			out = append(out, "http://"+address)
		case strings.HasPrefix(args[i], "grpc://localhost"):
			out = append(out, "grpc://"+rpcProcess(t, "model.onnx"))
		case args[i] == "--duration":
			i++
		default:
			out = append(out, args[i])
		}
	}
	if !slices.Contains(out, "--find-max-rps") { // whose trials have a length of their own
		out = append(out, "--duration", "300ms", "--warm-up", "100ms")
	}
	return append(out, "--max-time", "4s", "--no-progress")
}

// shortComparison makes the results that an example compares, starts the servers that it loads, and makes the blocks short.
func shortComparison(t *testing.T, args []string) []string {
	t.Helper()
	t.Setenv(asInfer, "1") // exec:infer is this binary
	out, live := []string{}, false
	for _, arg := range args {
		live = live || arg == "--a"
		if strings.HasPrefix(arg, "http://localhost") {
			_, address, _ := serverProcess(t, "model.onnx")
			arg = "http://" + address
		}
		if strings.HasSuffix(arg, ".json") {
			if r := infer(t, passedOn(), "profile", "model.onnx", "--runs", "400", "--warm-up", "3", "--cold", "0", "--profiled-runs", "0", "--roofline", "off", "--format", "json", "-o", arg); r.code != 0 {
				t.Fatal(r.err)
			}
		}
		out = append(out, strings.ReplaceAll(arg, "--http :{port}", "--http 127.0.0.1:{port}"))
	}
	if live {
		out = append(out, "--pairs", "2", "--block", "100ms", "--max-time", "2s")
	}
	return out
}

// rpcProcess starts infer serve with gRPC alone and returns its address.
func rpcProcess(t *testing.T, model string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	serverProcess(t, model, "--grpc", address)
	return address
}

// words splits a command line at spaces outside of single quotes.
func words(line string) []string {
	var list []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
			continue
		}
		list = append(list, strings.Fields(part)...)
	}
	return list
}
