package report

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"infer/internal/stats"
)

// filled returns a value of a type in which every field, element and pointer is there.
func filled(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer:
		if t == reflect.TypeFor[*stats.Sketch]() {
			s := &stats.Sketch{}
			s.Add(0.5)
			return reflect.ValueOf(s)
		}
		p := reflect.New(t.Elem())
		p.Elem().Set(filled(t.Elem()))
		return p
	case reflect.Slice:
		return reflect.Append(v, filled(t.Elem()))
	case reflect.Map:
		v = reflect.MakeMap(t)
		v.SetMapIndex(reflect.ValueOf("ok"), filled(t.Elem()))
	case reflect.Struct:
		for i := range t.NumField() {
			v.Field(i).Set(filled(t.Field(i).Type))
			if f := t.Field(i); f.Name == "Verdict" {
				v.Field(i).SetString(Pass)
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	}
	return v
}

func loadDocument(t *testing.T, details any) []byte {
	t.Helper()
	d := New("loadtest")
	if err := d.SetDetails(details); err != nil {
		t.Fatal(err)
	}
	return written(t, d)
}

// The details of a load test are valid with every field and with none, and the schema names every field.
func TestSchemaOfLoadtest(t *testing.T) {
	s := compiled(t)
	full := loadDocument(t, filled(reflect.TypeFor[LoadDetails]()).Interface())
	for name, doc := range map[string][]byte{"every field": full, "no field": loadDocument(t, LoadDetails{}), "no details": written(t, New("loadtest")), "another kind": []byte(strings.Replace(string(loadDocument(t, map[string]any{"target": 1})), `"loadtest"`, `"profile"`, 1))} {
		if err := validSchema(t, s, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(SchemaJSON()), &schema); err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(name string, typ reflect.Type)
	walk = func(name string, typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || typ == reflect.TypeFor[stats.Sketch]() {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			prop := schema.Defs[name].Properties[key]
			if prop == nil {
				t.Errorf("the schema has no field %q in %s, which is %s", key, name, typ)
			}
			walk(refOf(prop), f.Type)
		}
	}
	walk("loadtest", reflect.TypeFor[LoadDetails]())
}

// refOf returns the name of the definition that a property, or its items, are of.
func refOf(prop json.RawMessage) string {
	_, after, _ := strings.Cut(string(prop), `"#/$defs/`)
	name, _, _ := strings.Cut(after, `"`)
	return name
}

func TestSchemaRefusesLoadtest(t *testing.T) {
	s := compiled(t)
	full := filled(reflect.TypeFor[LoadDetails]()).Interface()
	for _, c := range []struct{ name, old, new string }{
		{"target", `"url": "x"`, `"url": 1`},
		{"no expression", `"expr": "x"`, `"exprx": "x"`},
		{"verdict", `"verdict": "pass"`, `"verdict": "perhaps"`},
		{"share", `"compute": 0.5,`, `"compute": "half",`},
		{"reading", `"reading": [`, `"reading": 1, "x": [`},
		{"range", `"range": [`, `"range": [3, `},
		{"layout", `"layout": "log2`, `"layout": "log3`},
		{"outcomes", `"ok": 1`, `"ok": "1"`},
		{"validity of a point", `"valid": true`, `"valid": "yes"`},
		{"stage", `"from": 0.5`, `"from": null`},
	} {
		doc := string(loadDocument(t, full))
		changed := strings.Replace(doc, c.old, c.new, 1)
		if c.old == `"verdict": "pass"` {
			changed = strings.ReplaceAll(doc, c.old, c.new)
		}
		if changed == doc {
			t.Fatalf("%s: %q is not in the document", c.name, c.old)
		}
		if err := validSchema(t, s, []byte(changed)); err == nil {
			t.Errorf("%s: the schema accepts %s", c.name, c.new)
		}
	}
}

// The names of the contract for load tests exist and may be in such documents.
func TestLoadtestMetrics(t *testing.T) {
	for name, unit := range map[string]string{"latency_mean": "s", "latency_p99": "s", "service_p99": "s", "offered_rate": "1/s", "sent_rate": "1/s", "throughput": "1/s",
		"goodput": "1/s", "error_rate": "1", "dropped": "1", "wrong_answers": "1", "row_throughput": "1/s", "send_lag_p99": "s", "max_rps": "1/s",
		"server_queue_mean": "s", "server_compute_mean": "s", "batch_size_mean": "1"} {
		if k, ok := KnownByName(name); !ok || !k.In("loadtest") || k.Unit() != unit {
			t.Errorf("%s is %+v, want one of load tests in %s", name, k, unit)
		}
	}
}

// TestPointLabels: rates that were asked for are told apart by their labels; those that a search has come to are short.
func TestPointLabels(t *testing.T) {
	for rate, want := range map[float64]string{
		0.05: "0.05", 0.1: "0.1", 0.15: "0.15", 5: "5", 100: "100", 100.5: "100.5", 101: "101", 1e6: "1000000", 9999999.99: "9999999.99",
		546.3978712051522: "546", 97.53978712051522: "97.5", 12.000000001: "12",
	} {
		if got := (LoadPoint{Rate: rate}).Labels()["rps"]; got != want {
			t.Errorf("%v: %s, want %s", rate, got, want)
		}
	}
}
