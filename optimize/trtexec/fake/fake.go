// Package fake owns a stand-in for NVIDIA's trtexec, for tests on machines that have none: a role of the test
// program that takes the flags of release 10.16 or 11.1, refuses all others as the tool does, and prints and writes what
// recordings hold (recordings/README.md says what they are).
package fake

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

//go:embed recordings
var recordings embed.FS

// The releases that can be played.
const (
	Release10 = "10.16"
	Release11 = "11.1"
)

// What the stand-in may do beside working; the names of recordings of failed builds are others.
const (
	Works   = "works"
	Hangs   = "hangs"   // a build starts a process of its own and does not end
	Silent  = "silent"  // a build ends well and writes nothing
	Half    = "half"    // a build is ended by a signal once half the engine is written
	Nothing = "nothing" // it is no trtexec: it prints a greeting
)

// role is the variable by which a test program knows that it is the tool: RELEASE:WHAT.
const role = "FAKE_TRTEXEC_ROLE"

// Play plays the tool, and ends the process, in a test program that was started as one. TestMain calls it first.
func Play() {
	release, what, ok := strings.Cut(os.Getenv(role), ":")
	if ok {
		os.Exit(tool{release, what}.main(os.Args[1:]))
	}
}

// Tool returns the path of a trtexec of a release that behaves as said. It skips where there is no POSIX shell, which
// stands between the path and the test program.
func Tool(t testing.TB, release, what string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in of trtexec is a shell script")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "trtexec")
	script := fmt.Sprintf("#!/bin/sh\n%s='%s:%s' exec '%s' \"$@\"\n", role, release, what, self)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Recording returns the contents of a recording, such as "build.txt" of a release.
func Recording(t testing.TB, release, name string) []byte {
	t.Helper()
	b, err := recordings.ReadFile("recordings/" + release + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Engine returns the first bytes of an engine that a TensorRT of a version would have built.
func Engine(major, minor, patch, build byte) []byte {
	b := make([]byte, 64)
	copy(b, "ftrt")
	copy(b[24:], []byte{major, minor, patch, build})
	return b
}

// tool is one run of the stand-in.
type tool struct{ release, what string }

func (o tool) read(name string) []byte {
	b, err := recordings.ReadFile("recordings/" + o.release + "/" + name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	return b
}

func (o tool) print(name string) { os.Stdout.Write(o.read(name)) }

func (o tool) main(args []string) int {
	help := o.read("help.txt")
	flags := map[string]string{}
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		flags[name] = value
		if name != "--help" && !bytes.Contains(help, []byte("  "+name+"\n")) && !bytes.Contains(help, []byte("  "+name+"=")) {
			os.Stdout.Write(help)
			fmt.Fprintf(os.Stderr, "[11/27/2026-10:00:01] [E] Unknown option: %s %s\n", name, value)
			return 1
		}
	}
	_, helps := flags["--help"]
	_, version := flags["--getPlanVersionOnly"]
	switch {
	case o.what == Nothing:
		fmt.Println("hello")
		return 0
	case o.what == "libraries", o.what == "device" && !helps: // the loader fails before anything, CUDA before a build
		o.print(o.what + ".txt")
		return 127
	case helps:
		os.Stdout.Write(help)
		return 0
	case version:
		return o.planVersion(flags["--loadEngine"])
	case flags["--onnx"] != "":
		return o.build(flags)
	}
	return o.bench(flags)
}

func (o tool) build(flags map[string]string) int {
	engine := flags["--saveEngine"]
	switch o.what {
	case Works:
	case Hangs:
		c := exec.Command("/bin/sh", "-c", "trap '' TERM; sleep 600")
		_ = c.Start()
		o.write(engine, []byte("ftrt"))
		os.Stdout.WriteString("[11/27/2026-10:00:03] [I] Start parsing network model.\n")
		time.Sleep(10 * time.Minute)
	case Silent:
		o.print("build.txt")
		return 0
	case Half:
		o.write(engine, []byte("ftrt"))
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		time.Sleep(time.Minute)
	default:
		o.write(engine, []byte("ftrt"))
		o.print(o.what + ".txt")
		return 1
	}
	if _, err := os.Stat(flags["--onnx"]); err != nil {
		fmt.Fprintln(os.Stderr, "[11/27/2026-10:00:03] [E] [TRT] ModelImporter.cpp:914: Failed to parse ONNX model from file:", flags["--onnx"])
		return 1
	}
	o.write(engine, o.engine())
	o.write(flags["--exportLayerInfo"], o.read("layers.json"))
	if cache := flags["--timingCacheFile"]; cache != "" {
		o.write(cache, []byte("timing"))
	}
	o.print("build.txt")
	return 0
}

func (o tool) engine() []byte {
	if o.release == Release10 {
		return Engine(10, 16, 0, 72)
	}
	return Engine(11, 1, 0, 106)
}

func (o tool) bench(flags map[string]string) int {
	if b, err := os.ReadFile(flags["--loadEngine"]); err != nil || !bytes.Equal(b, o.engine()) {
		o.print("mismatch.txt")
		return 1
	}
	o.write(flags["--exportTimes"], o.read("times.json"))
	o.write(flags["--exportProfile"], o.read("profile.json"))
	o.print("bench.txt")
	return 0
}

func (o tool) planVersion(path string) int {
	b, err := os.ReadFile(path)
	if err != nil || len(b) < 28 || string(b[:4]) != "ftrt" {
		fmt.Fprintln(os.Stderr, "[11/27/2026-10:00:03] [E] Failed to verify a plan tag.")
		return 1
	}
	fmt.Printf("[11/27/2026-10:00:03] [I] Plan was created with TensorRT version %d.%d.%d.%d\n", b[24], b[25], b[26], b[27])
	return 0
}

// write writes a file that was asked for.
func (o tool) write(path string, b []byte) {
	if path == "" {
		return
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}
