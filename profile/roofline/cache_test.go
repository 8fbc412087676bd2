package roofline

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/report"
)

func measured(at time.Time) *report.Ceilings {
	lo, hi := 9e10, 1e11
	return &report.Ceilings{Float32: &report.Interval{Value: 1.1e11, Lo: &lo, Hi: &hi, N: 20}, Memory: &report.Interval{Value: 2e10, N: 3},
		Threads: 2, Provider: "cpu", Measured: at.UTC().Format(time.RFC3339)}
}

func TestCache(t *testing.T) {
	folder := t.TempDir()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	k := keyOf(Options{Provider: &enginetest.Fake{}, Runtime: "1.30.0", Config: engine.Config{Threads: 2}})
	if c := k.load(folder, now); c != nil {
		t.Errorf("an empty folder has %+v", c)
	}
	for _, c := range []struct {
		name string
		age  time.Duration
		busy bool
		want bool
	}{{"new", 2 * time.Hour, false, true}, {"old", 31 * 24 * time.Hour, false, false}, {"from the future", -time.Hour, false, false},
		{"disturbed, new", time.Minute, true, true}, {"disturbed", 2 * time.Hour, true, false}, {"last", time.Hour, false, true}} {
		written := measured(now.Add(-c.age))
		if c.busy {
			written.Disturbed = []string{"others used 90 % of the machine"}
		}
		if err := k.save(folder, written); err != nil {
			t.Fatal(err)
		}
		got := k.load(folder, now)
		if (got != nil) != c.want || got != nil && (!got.Cached || got.Age != c.age.Seconds() || got.Float32.N != 20) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	good, err := os.ReadFile(k.path(folder))
	if err != nil {
		t.Fatal(err)
	}
	good = bytes.Replace(good, []byte(measured(now.Add(-time.Hour)).Measured), []byte(measured(now).Measured), 1)
	if k.parse(good, now) == nil {
		t.Fatalf("cannot read %s", good)
	}
	for name, damage := range map[string][2]string{
		"cut":             {`"ceilings"`, ""},
		"of another CPU":  {`"threads": 2`, `"threads": 3`},
		"a negative rate": {"110000000000", "-1"},
		"no time":         {`"measured": "`, `"measured": "on `},
		"ends swapped":    {`"lo": 90000000000`, `"lo": 900000000000`},
		"half interval":   {`"lo": 90000000000,`, ``},
	} {
		bad := bytes.Replace(good, []byte(damage[0]), []byte(damage[1]), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("%s: the file has no %q: %s", name, damage[0], good)
		}
		if c := k.parse(bad, now); c != nil {
			t.Errorf("%s: read as %+v", name, c)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(folder, "*")); len(names) != 1 || !strings.Contains(names[0], "roofline-") {
		t.Errorf("in the folder: %v", names)
	}
}

// TestKey: what the ceilings depend on makes another file.
func TestKey(t *testing.T) {
	o := Options{Provider: &enginetest.Fake{}, Runtime: "1.30.0", Config: engine.Config{Threads: 2}}
	paths := map[string]string{keyOf(o).path(""): "base"}
	other := func(name string, change func(*Options)) {
		c := o
		change(&c)
		p := keyOf(c).path("")
		if was, ok := paths[p]; ok {
			t.Errorf("%s has the file of %s", name, was)
		}
		paths[p] = name
	}
	other("threads", func(o *Options) { o.Config.Threads = 3 })
	other("runtime", func(o *Options) { o.Runtime = "1.31.0" })
	other("options", func(o *Options) {
		o.Config.Providers = []engine.ProviderSpec{{Name: "fake", Options: map[string]string{"device_id": "1"}}}
	})
	o.Config.TracePrefix, o.Config.OptLevel = "x", engine.OptNone
	if _, ok := paths[keyOf(o).path("")]; !ok {
		t.Error("what the ceilings do not depend on makes another file")
	}
}

func FuzzCache(f *testing.F) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	k := keyOf(Options{Provider: &enginetest.Fake{}, Config: engine.Config{Threads: 2}})
	folder := f.TempDir()
	if err := k.save(folder, measured(now)); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(k.path(folder))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"key":null,"ceilings":{"float32":{"value":1e999}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := k.parse(b, now)
		if c == nil {
			return
		}
		if !(c.Float32.Value > 0) || c.Float32.N < 1 || c.Age > maxAge.Seconds() || !c.Cached {
			t.Errorf("%q is read as %+v", b, c)
		}
	})
}
