// Command infer profiles, quantizes, converts, serves, load-tests and compares ONNX models.
package main

import (
	"os"

	"infer/cmd"
	"infer/internal/term"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], term.Standard()))
}
