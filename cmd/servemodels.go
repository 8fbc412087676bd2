package cmd

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/viper"

	"infer/internal/fault"
	"infer/model"
	"infer/serve/repository"
)

// servedModel is one item of serve.models in the configuration file.
type servedModel struct {
	Name, Path string
	repository.ModelOptions
}

// modelEntry is how the file writes it.
type modelEntry struct {
	Name      string         `mapstructure:"name"`
	Path      string         `mapstructure:"path"`
	SLO       time.Duration  `mapstructure:"slo"`
	MaxBatch  int            `mapstructure:"max-batch"`
	MaxDelay  time.Duration  `mapstructure:"max-delay"`
	MaxWait   time.Duration  `mapstructure:"max-wait"`
	MaxQueue  int            `mapstructure:"max-queue"`
	Instances int            `mapstructure:"instances"`
	Threads   int            `mapstructure:"threads"`
	Versions  string         `mapstructure:"versions"`
	Split     map[string]int `mapstructure:"split"`
	Sticky    string         `mapstructure:"sticky"`
}

var modelKeys = []string{"name", "path", "slo", "max-batch", "max-delay", "max-wait", "max-queue", "instances", "threads", "versions", "split", "sticky"}

// serveModels returns the models of the file. What an item leaves out is as for every model; its path is relative to
// the file.
func (c *config) serveModels(all repository.ModelOptions) ([]servedModel, error) {
	if c == nil || !c.v.IsSet("serve.models") {
		return nil, nil
	}
	items, ok := c.v.Get("serve.models").([]any)
	if !ok {
		return nil, c.wrongModels("serve.models is no list")
	}
	var out []servedModel
	seen := map[string]bool{}
	for i, item := range items {
		m, err := c.serveModel(item, all)
		if err != nil {
			return nil, fault.Wrap(err, "configuration %q: serve.models[%d]", c.path, i)
		}
		if seen[m.Name] {
			return nil, c.wrongModels(fmt.Sprintf("model %q is there twice", m.Name))
		}
		seen[m.Name] = true
		out = append(out, m)
	}
	return out, nil
}

// checkServed reports an item with neither a path nor a model among the sources that it could be for. What a folder will
// hold is not known.
func (c *config) checkServed(items []servedModel, sources []repository.Source) error {
	var names []string
	for _, s := range sources {
		if info, err := os.Stat(s.Path); err != nil || info.IsDir() {
			return nil
		}
		name, _ := model.CutExt(filepath.Base(s.Path))
		names = append(names, cmp.Or(s.Name, name))
	}
	for _, m := range items {
		if m.Path == "" && !slices.Contains(names, m.Name) {
			return fault.New(fault.Usage, "the models are "+strings.Join(names, ", "), "configuration %q: options for model %q, which is not there", c.path, m.Name)
		}
	}
	return nil
}

func (c *config) wrongModels(what string) error {
	return fault.New(fault.Usage, "write items such as {name: m, path: m.onnx, slo: 50ms}", "configuration %q: %s", c.path, what)
}

// checkModelValue reports a value that the key of a model does not take, as it stands in the file.
func checkModelValue(key string, value any) error {
	v := viper.New()
	v.Set(key, value)
	if v.UnmarshalExact(new(modelEntry)) == nil {
		return nil
	}
	hint := "give a number"
	switch key {
	case "slo", "max-delay", "max-wait":
		hint = "give a time such as 50ms"
	case "split":
		hint = "write it as {1: 95, 2: 5}"
	case "name", "path", "versions", "sticky":
		hint = "give a text"
	}
	return fault.New(fault.Usage, hint, "%s: %q is no value for it", key, fmt.Sprint(value))
}

func (c *config) serveModel(item any, all repository.ModelOptions) (servedModel, error) {
	fields, ok := item.(map[string]any)
	if !ok {
		return servedModel{}, fault.New(fault.Usage, "write it as {name: m, path: m.onnx, slo: 50ms}", "an item must hold the options of a model, not %v", item)
	}
	v := viper.New()
	for _, k := range sortedKeys(fields) {
		if !slices.Contains(modelKeys, k) {
			hint := "known keys: " + strings.Join(modelKeys, ", ")
			if near := fault.Nearest(k, modelKeys); near != "" {
				hint = "did you mean " + near + "?"
			}
			return servedModel{}, fault.New(fault.Usage, hint, "unknown key %q", k)
		}
		v.Set(k, fields[k])
		if err := checkModelValue(k, fields[k]); err != nil {
			return servedModel{}, err
		}
	}
	e := modelEntry{
		SLO: all.SLO, MaxBatch: all.MaxBatch, MaxDelay: all.MaxDelay, MaxWait: all.MaxWait, MaxQueue: all.MaxQueue,
		Instances: all.Instances, Threads: all.Threads, Versions: all.Versions,
	}
	if err := v.UnmarshalExact(&e); err != nil {
		return servedModel{}, fault.New(fault.Usage, "times such as 50ms, numbers, split as {1: 95, 2: 5}", "%s", strings.Join(strings.Fields(err.Error()), " "))
	}
	if e.Name == "" {
		return servedModel{}, fault.New(fault.Usage, "add name:", "a model has no name")
	}
	if e.Path != "" && !filepath.IsAbs(e.Path) {
		e.Path = filepath.Join(filepath.Dir(c.path), e.Path)
	}
	return servedModel{Name: e.Name, Path: e.Path, ModelOptions: repository.ModelOptions{
		SLO: e.SLO, MaxBatch: e.MaxBatch, MaxDelay: e.MaxDelay, MaxWait: e.MaxWait, MaxQueue: e.MaxQueue,
		Instances: e.Instances, Threads: e.Threads, Versions: e.Versions, Split: e.Split, Sticky: e.Sticky,
	}}, nil
}
