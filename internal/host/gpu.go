package host

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
)

// GPU is an NVIDIA GPU. What the driver does not tell is zero or "".
type GPU struct {
	Name    string `json:"name"`                         // "NVIDIA L4"
	Compute string `json:"compute_capability,omitempty"` // "8.9"
	Driver  string `json:"driver,omitempty"`             // "580.95.05"
	Memory  uint64 `json:"memory,omitempty"`             // B
}

// gpuTime is how long the driver may take to answer; on a machine whose GPUs sleep it is seconds.
const gpuTime = 15 * time.Second

// NVIDIA asks nvidia-smi, which comes with the driver, for the GPUs of this machine. None, and no driver, is a
// fault.Unsupported error that says which.
func NVIDIA(ctx context.Context) ([]GPU, error) {
	const hint = "NVIDIA GPUs need NVIDIA's driver, in a container also its toolkit (docker run --gpus all): nvidia-smi must list them"
	limited, cancel := context.WithTimeout(ctx, gpuTime)
	defer cancel()
	cmd := exec.CommandContext(limited, "nvidia-smi", "--query-gpu=name,compute_cap,driver_version,memory.total", "--format=csv,noheader")
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, fault.New(fault.Unsupported, hint, "no NVIDIA GPU: there is no nvidia-smi")
	case err != nil:
		said := strings.TrimSpace(out.String() + errs.String()) // it tells its errors on stdout
		if said, _, _ = strings.Cut(said, "\n"); said == "" {
			said = err.Error()
		}
		return nil, fault.New(fault.Unsupported, hint, "no NVIDIA GPU: nvidia-smi: %s", strings.TrimRight(said, ". "))
	}
	gpus := parseGPUs(out.String())
	if len(gpus) == 0 {
		return nil, fault.New(fault.Unsupported, hint, "no NVIDIA GPU: nvidia-smi lists none")
	}
	return gpus, nil
}

// parseGPUs reads "name, compute capability, driver, memory" a line, as nvidia-smi writes them: "[N/A]" and words in
// brackets are what it does not know.
func parseGPUs(text string) []GPU {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace = -1, true, true
	var gpus []GPU
	for {
		row, err := r.Read()
		if err != nil {
			return gpus
		}
		if len(row) != 4 {
			continue
		}
		for i := range row {
			if row[i] = strings.TrimSpace(row[i]); strings.HasPrefix(row[i], "[") {
				row[i] = ""
			}
		}
		g := GPU{Name: row[0], Compute: row[1], Driver: row[2]}
		if mib, err := strconv.ParseUint(strings.TrimSuffix(row[3], " MiB"), 10, 32); err == nil {
			g.Memory = mib << 20
		}
		if g.Name != "" {
			gpus = append(gpus, g)
		}
	}
}
