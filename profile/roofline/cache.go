package roofline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"infer/internal/atomicfile"
	"infer/internal/host"
	"infer/model/engine"
	"infer/report"
)

// maxAge is how long ceilings are believed: drivers, firmware and neighbours change.
const maxAge = 30 * 24 * time.Hour

// disturbedAge is maxAge for ceilings that may be too low, since others were busy: long enough for some profiles in a row.
const disturbedAge = time.Hour

// probing is raised when the probes change, so that what older ones found is measured anew.
const probing = 1

// key is what ceilings hold for.
type key struct {
	Probing   int                   `json:"probing"`
	CPU       string                `json:"cpu"`
	CPUs      host.CPUs             `json:"cpus"`
	Runtime   string                `json:"runtime"`
	Provider  string                `json:"provider"`
	Providers []engine.ProviderSpec `json:"providers,omitempty"` // with their options
	Threads   int                   `json:"threads"`
}

func keyOf(o Options) key {
	m := host.Facts()
	return key{Probing: probing, CPU: m.CPUModel, CPUs: m.CPUs, Runtime: o.Runtime, Provider: o.Provider.Name(),
		Providers: o.Config.Providers, Threads: threadsOf(o.Config)}
}

// stored is a file of the cache.
type stored struct {
	Key      json.RawMessage  `json:"key"`
	Ceilings *report.Ceilings `json:"ceilings"`
}

// text is what k is compared by.
func (k key) text() []byte {
	b, err := json.Marshal(k)
	if err != nil {
		panic("roofline: " + err.Error()) // strings and numbers can be written
	}
	return b
}

// path returns the file of k in a folder.
func (k key) path(folder string) string {
	sum := sha256.Sum256(k.text())
	return filepath.Join(folder, "roofline-"+hex.EncodeToString(sum[:8])+".json")
}

// load returns the ceilings of k, nil where the folder has none that can be used.
func (k key) load(folder string, now time.Time) *report.Ceilings {
	b, err := os.ReadFile(k.path(folder))
	if err != nil {
		return nil
	}
	return k.parse(b, now)
}

// parse reads a file of the cache; nil for one that is damaged, of another key, from the future or too old.
func (k key) parse(b []byte, now time.Time) *report.Ceilings {
	var s stored
	if json.Unmarshal(b, &s) != nil || s.Ceilings == nil || s.Ceilings.Float32 == nil {
		return nil
	}
	var same key
	if json.Unmarshal(s.Key, &same) != nil || string(same.text()) != string(k.text()) {
		return nil
	}
	c := s.Ceilings
	at, err := time.Parse(time.RFC3339, c.Measured)
	age, limit := now.Sub(at), maxAge
	if len(c.Disturbed) > 0 {
		limit = disturbedAge
	}
	if err != nil || age < -time.Minute || age > limit || !sound(c) {
		return nil
	}
	c.Age, c.Cached = max(age, 0).Seconds(), true
	return c
}

// sound says that all rates are rates.
func sound(c *report.Ceilings) bool {
	good := func(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
	rate := func(i *report.Interval) bool {
		return i == nil || good(i.Value) && i.N > 0 && (i.Lo == nil) == (i.Hi == nil) && (i.Lo == nil || good(*i.Lo) && good(*i.Hi) && *i.Lo <= *i.Hi)
	}
	return rate(c.Float32) && rate(c.Int8) && rate(c.Memory) && rate(c.Cache) && c.CacheBytes >= 0 &&
		!slices.ContainsFunc(c.Probes, func(p report.Probe) bool { return !rate(&p.Rate) })
}

// save keeps c for k.
func (k key) save(folder string, c *report.Ceilings) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write %q: %w", folder, err)
	}
	return atomicfile.Write(k.path(folder), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(stored{Key: k.text(), Ceilings: c})
	})
}
