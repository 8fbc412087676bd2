package exporter

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"infer/internal/fault"
)

// FindPython returns the interpreter to drive: path where it is given, else that of the active virtual environment
// (VIRTUAL_ENV), else the python3 of PATH, else its python. One that was named and is not there is a fault.Usage error,
// none at all a fault.Unsupported one.
func FindPython(path string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fault.New(fault.Usage, "give the path of an interpreter, such as venv/bin/python", "--python %q: %w", path, bare(err))
		}
		return found, nil
	}
	candidates := []string{"python3", "python"}
	if env := os.Getenv("VIRTUAL_ENV"); env != "" {
		candidates = append([]string{filepath.Join(env, interpreter(runtime.GOOS))}, candidates...)
	}
	for _, c := range candidates {
		if found, err := exec.LookPath(c); err == nil {
			return found, nil
		}
	}
	return "", fault.New(fault.Unsupported, "install Python 3.9 or newer with torch or tf2onnx, or pass --python",
		"no python3 is on PATH: models of PyTorch and TensorFlow are converted by their own exporters")
}

// interpreter is where a virtual environment has its Python.
func interpreter(system string) string {
	if system == "windows" {
		return filepath.Join("Scripts", "python.exe")
	}
	return filepath.Join("bin", "python")
}

// bare drops the path from an error of looking it up.
func bare(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err
	}
	return err
}
