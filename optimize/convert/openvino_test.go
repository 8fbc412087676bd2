package convert

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
)

// standIn stands for the OpenVINO provider: what it compiles is the model itself, and it runs on the CPU.
type standIn struct {
	engine.Provider
	writes, loads bool
	entries       map[string]string // with which it was told to write what it compiles
}

func (c *standIn) Name() string { return "openvino" }

func (c *standIn) Open(ctx context.Context, m *model.Model, config engine.Config) (engine.Session, error) {
	if path := config.Entries["ep.context_file_path"]; path != "" {
		c.entries = config.Entries
		if c.writes {
			if err := m.Save(path, model.SaveOptions{}); err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), "compiled.bin"), []byte("blob"), 0o600); err != nil {
				return nil, err
			}
		}
	} else if _, err := os.Stat(filepath.Join(filepath.Dir(m.Path), "compiled.bin")); err == nil && !c.loads {
		return nil, errors.New("EP_FAIL")
	}
	config.Entries = nil
	s, err := c.Provider.Open(ctx, m, config)
	return struct{ engine.Session }{s}, err // without a trace
}

// TestCompiled: the compiled model is kept where it can be loaded again; else the ONNX file is, and the report says why.
func TestCompiled(t *testing.T) {
	for _, c := range []struct {
		name          string
		writes, loads bool
		files         []string
		says          string
	}{
		{"it works", true, true, []string{"compiled.bin", "out.openvino.onnx"}, "compiled parts"},
		{"not loaded again", true, false, []string{"out.openvino.onnx"}, "cannot load again"},
		{"not written", false, false, []string{"out.openvino.onnx"}, "did not write"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := on(t, load(t, digits), "openvino")
			made := &standIn{Provider: k.Provider, writes: c.writes, loads: c.loads}
			k.Compiler, k.Compiled = made, k.Config
			x, d := must(t, k, quick())
			if got := left(t, k); !slices.Equal(got, c.files) {
				t.Errorf("the folder holds %v, want %v", got, c.files)
			}
			if !strings.Contains(strings.Join(x.Changes, "\n"), c.says) || (len(d.Warnings) > 0) == c.loads {
				t.Errorf("%q, warnings %q", x.Changes, d.Warnings)
			}
			if x.Via != ViaProvider || x.Verification.Provider != "openvino" || made.entries["ep.context_enable"] != "1" || made.entries["ep.context_embed_mode"] != "1" {
				t.Errorf("via %q, on %q, entries %v", x.Via, x.Verification.Provider, made.entries)
			}
		})
	}
}

// script writes an executable file into a folder that is first on PATH.
func script(t *testing.T, name, text string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no shell scripts")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// irTask is a task for an IR.
func irTask(t *testing.T) Task {
	k := on(t, load(t, digits), "openvino")
	k.Output = filepath.Join(filepath.Dir(k.Output), "m.xml")
	return k
}

// TestToolMissing names the tool, and how to come by it.
func TestToolMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	k := irTask(t)
	_, _, err := convert(t, k, quick())
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "ovc, which is not on PATH") || !strings.Contains(fault.HintOf(err), "pip install openvino") {
		t.Errorf("error is %v, hint %q", err, fault.HintOf(err))
	}
	if len(left(t, k)) > 0 {
		t.Errorf("left behind %v", left(t, k))
	}
}

// TestToolArguments: ovc is told where to write, and not to halve what it writes.
func TestToolArguments(t *testing.T) {
	script(t, "ovc", `#!/bin/sh
if [ "$1" = --version ]; then echo "OpenVINO Model Converter (ovc) 2025.4.1-20426"; exit; fi
[ "$4" = --compress_to_fp16=False ] || { echo "[ ERROR ]  arguments: $*"; exit 1; }
echo "<net/>" > "$3"
echo weights > "${3%.xml}.bin"
`)
	k := irTask(t)
	k.Inputs = nil // there is no OpenVINO to run it
	x, _, err := convert(t, k, quick())
	if err != nil {
		t.Fatal(err)
	}
	if got := left(t, k); !slices.Equal(got, []string{"m.bin", "m.xml"}) || len(x.Files) != 2 || x.Files[0].What != "model" || x.Files[1].What != "weights" {
		t.Errorf("the folder holds %v, the report %+v", got, x.Files)
	}
	if x.Tool == nil || x.Tool.Version != "2025.4.1-20426" || x.Tool.Command[3] != k.Output || x.OutputHash == "" || x.After != nil || x.Verification.Verdict != "not_run" {
		t.Errorf("tool %+v, hash %q, after %v, verification %+v", x.Tool, x.OutputHash, x.After, x.Verification)
	}
}

// TestToolFails: what ovc says is said, and nothing is left.
func TestToolFails(t *testing.T) {
	script(t, "ovc", "#!/bin/sh\necho half > \"$3\"\necho '[ ERROR ]  ----- END OF REPORT -----'\necho 'no such operation: Porridge'\nexit 3\n")
	k := irTask(t)
	_, _, err := convert(t, k, quick())
	if fault.KindOf(err) != fault.Unsupported || err.Error() != "ovc cannot convert the model: no such operation: Porridge" {
		t.Errorf("error is %v", err)
	}
	if len(left(t, k)) > 0 {
		t.Errorf("left behind %v", left(t, k))
	}
}

// TestIR converts and runs an IR with the real tool.
func TestIR(t *testing.T) {
	tool, err := exec.LookPath("ovc")
	if err != nil {
		t.Skip("no ovc on PATH (pip install openvino)")
	}
	if interpreterOf(tool) == "" {
		t.Skip("ovc is no Python script")
	}
	x, _ := must(t, irTask(t), quick())
	if x.Verification.Verdict != "within" && x.Verification.Verdict != "equal" {
		t.Errorf("%+v", x.Verification)
	}
}

func TestInterpreterOf(t *testing.T) {
	for text, want := range map[string]string{
		"#!/opt/v/bin/python3\nimport x\n": "/opt/v/bin/python3", "#! /usr/bin/python \n": "/usr/bin/python", "#!/bin/sh\n": "", "\x7fELF": "", "": "",
	} {
		path := filepath.Join(t.TempDir(), "tool")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := interpreterOf(path); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := interpreterOf(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("no file: %q", got)
	}
}
