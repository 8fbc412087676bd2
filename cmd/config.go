package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"infer/internal/fault"
	"infer/internal/term"
)

// config is the configuration file and the environment behind the flags. Precedence: flag > INFER_* > file > default.
type config struct {
	v    *viper.Viper
	std  term.Streams
	path string // "" without a file
}

const defaultConfig = "infer.yaml"

// fileKeys are the keys at the top of the file that are no flag.
var fileKeys = []string{"model", "target", tunedOn}

// sectionKeys are the keys of a section that are no flag.
var sectionKeys = map[string][]string{"serve": {"models"}}

// loadConfig reads the file that --config or INFER_CONFIG names, or infer.yaml of this folder where there is one, and
// refuses keys that no command knows.
func loadConfig(path string, std term.Streams, root *cobra.Command) (*config, error) {
	c := &config{v: viper.New(), std: std, path: path}
	if c.path == "" {
		c.path = std.Env("INFER_CONFIG")
	}
	if c.path == "" {
		if _, err := os.Stat(defaultConfig); err != nil {
			return c, nil
		}
		c.path = defaultConfig
	}
	if info, err := os.Stat(c.path); err == nil && !info.Mode().IsRegular() {
		return nil, fault.New(fault.Usage, "name a YAML file", "configuration %q is not a regular file", c.path)
	}
	c.v.SetConfigFile(c.path)
	c.v.SetConfigType("yaml")
	if err := c.v.ReadInConfig(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.Usage, "check the path that --config or INFER_CONFIG gives", "configuration %q does not exist", c.path)
		}
		return nil, fault.New(fault.Usage, "the file must be YAML with keys as in 'infer profile --help'", "configuration %q: %w", c.path, err)
	}
	return c, c.checkKeys(root)
}

// checkKeys names the first key of the file that neither a flag nor a command section stands for.
func (c *config) checkKeys(root *cobra.Command) error {
	top := slices.Clone(fileKeys)
	sections := map[string][]string{}
	for _, sub := range root.Commands() {
		if sub.Hidden {
			continue
		}
		var names []string
		sub.Flags().VisitAll(func(f *pflag.Flag) {
			names = append(names, f.Name)
			if isTop(f) {
				top = append(top, f.Name)
			}
		})
		sections[sub.Name()] = append(names, sectionKeys[sub.Name()]...)
	}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { top = append(top, f.Name) })
	settings := c.v.AllSettings()
	for _, key := range sortedKeys(settings) {
		section, isSection := sections[key]
		if !isSection {
			if !slices.Contains(top, key) {
				return c.unknownTopKey(key, top, sections)
			}
			continue
		}
		inner, ok := settings[key].(map[string]any)
		if !ok {
			return fault.New(fault.Usage, "write the command's options below it, such as "+key+": {…}", "configuration %q: %q holds no options", c.path, key)
		}
		for _, k := range sortedKeys(inner) {
			if !slices.Contains(section, k) {
				return c.unknownKey(key+"."+k, section)
			}
		}
	}
	return nil
}

// unknownTopKey says where a key belongs that stands at the top and is the flag of some commands only.
func (c *config) unknownTopKey(key string, top []string, sections map[string][]string) error {
	var homes []string
	for _, name := range sortedKeys(sections) {
		if slices.Contains(sections[name], key) {
			homes = append(homes, name+":")
		}
	}
	if len(homes) > 0 {
		return fault.New(fault.Usage, "write it below "+strings.Join(homes, " or "), "configuration %q: unknown key %q at the top", c.path, key)
	}
	return c.unknownKey(key, append(top, sortedKeys(sections)...))
}

func (c *config) unknownKey(key string, known []string) error {
	slices.Sort(known)
	known = slices.Compact(known)
	hint := "known keys: " + strings.Join(known, ", ")
	last := key[strings.LastIndex(key, ".")+1:]
	if near := fault.Nearest(last, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	return fault.New(fault.Usage, hint, "configuration %q: unknown key %q", c.path, key)
}

const topKey = "top" // annotation of flags that several commands share: they may stand at the top of the file

func isTop(f *pflag.Flag) bool { return f.Annotations[topKey] != nil }

// markTop lets the flags of a set stand at the top of the file and without a command's name in the environment.
func markTop(f *pflag.FlagSet, names ...string) {
	for _, n := range names {
		_ = f.SetAnnotation(n, topKey, []string{"yes"})
	}
}

// fill gives every flag that the command line does not set its value from the environment or the file.
func (c *config) fill(cmd *cobra.Command) error {
	section := topName(cmd)
	var first error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if first != nil || f.Changed || f.Name == "help" || f.Name == "config" {
			return
		}
		first = c.fillFlag(section, f)
	})
	return first
}

func (c *config) fillFlag(section string, f *pflag.Flag) error {
	envs := []string{"INFER_" + envName(section) + "_" + envName(f.Name)}
	if isTop(f) {
		envs = append(envs, "INFER_"+envName(f.Name))
	}
	for _, name := range envs {
		if v := c.std.Env(name); v != "" {
			return setFlag(f, v, strings.Split(v, ","), name)
		}
	}
	keys := []string{section + "." + f.Name}
	if isTop(f) {
		keys = append(keys, f.Name)
	}
	for _, key := range keys {
		if !c.v.IsSet(key) {
			continue
		}
		list, err := listValue(c.v.Get(key))
		if err != nil {
			return fault.New(fault.Usage, "", "configuration %q: %s: %w", c.path, key, err)
		}
		return setFlag(f, strings.Join(list, ","), list, c.path+": "+key)
	}
	return nil
}

func setFlag(f *pflag.Flag, one string, list []string, from string) error {
	var err error
	if s, ok := f.Value.(pflag.SliceValue); ok {
		err = s.Replace(list)
	} else {
		err = f.Value.Set(one)
	}
	if err != nil {
		_, usage := pflag.UnquoteUsage(f)
		return fault.New(fault.Usage, "--"+f.Name+" takes: "+usage, "%s: %q: %s", from, one, withoutParser(err))
	}
	return nil
}

// listValue turns a YAML value into what a flag takes: scalars as they are, lists item by item, and the items
// {name: Input3, shape: [1, 28]} and {name: batch, size: 8} as --shape and --dim write them.
func listValue(v any) ([]string, error) {
	items, ok := v.([]any)
	if !ok {
		if m, isMap := v.(map[string]any); isMap {
			return nil, fmt.Errorf("a map with keys %s is no value", strings.Join(sortedKeys(m), ", "))
		}
		return []string{fmt.Sprint(v)}, nil
	}
	var list []string
	for _, item := range items {
		m, ok := item.(map[string]any)
		if !ok {
			list = append(list, fmt.Sprint(item))
			continue
		}
		text, err := namedValue(m)
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, nil
}

func namedValue(m map[string]any) (string, error) {
	if shape, ok := m["shape"].([]any); ok && len(m) == 2 {
		dims := make([]string, len(shape))
		for i, d := range shape {
			dims[i] = fmt.Sprint(d)
		}
		return fmt.Sprintf("%v:%s", m["name"], strings.Join(dims, "x")), nil
	}
	if size, ok := m["size"]; ok && len(m) == 2 {
		return fmt.Sprintf("%v=%v", m["name"], size), nil
	}
	return "", fmt.Errorf("an item must be {name: …, shape: […]} or {name: …, size: …}, not one with %s", strings.Join(sortedKeys(m), ", "))
}

// model returns the model that the file names, relative to the file's folder; "" where it names none.
func (c *config) model() string {
	if c == nil || !c.v.IsSet("model") {
		return ""
	}
	m := c.v.GetString("model")
	if m == "" || filepath.IsAbs(m) {
		return m
	}
	return filepath.Join(filepath.Dir(c.path), m)
}

// topName is the name of the subcommand right below the root: runtime for "infer runtime list".
func topName(c *cobra.Command) string {
	for c.HasParent() && c.Parent().HasParent() {
		c = c.Parent()
	}
	return c.Name()
}

func envName(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
