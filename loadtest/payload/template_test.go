package payload

import (
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model"
	"infer/model/tensor"
)

// TestTemplateLimits: a template ends that writes too much, or takes too long, and is refused.
func TestTemplateLimits(t *testing.T) {
	const ten = `{{range 10}}x{{end}}`
	if b, err := fillAll("b", ten, nil, Options{most: 3, limit: 30}, templateTime); err != nil || len(b) != 3 || string(b[2].Data) != "xxxxxxxxxx" {
		t.Errorf("%v, %v", b, err)
	}
	for _, c := range []struct {
		name, text string
		limit      time.Duration
		says       string
	}{
		{"too much in all", ten, time.Hour, "more than the 29 bytes"},
		{"endless output", `{{range 1000000000000}}x{{end}}`, time.Hour, "more than the 29 bytes"},
		{"late output", ten, 1, "not made within 1ns"},
		{"a loop without output", `{{range 3000000}}{{end}}`, time.Millisecond, "not made within 1ms"},
	} {
		_, err := fillAll("b", c.text, nil, Options{most: 3, limit: 29}, c.limit)
		refuses(t, err, c.says)
		if fault.HintOf(err) == "" {
			t.Errorf("%s: no hint", c.name)
		}
	}
}

// TestMadeUpStrings: strings cost memory as well, of a port, of all ports together and by a shape that was asked for.
func TestMadeUpStrings(t *testing.T) {
	text := func(shape ...int64) wire.Port {
		return wire.Port{Name: "T", DType: tensor.String, Shape: shape}
	}
	if s, err := FromPorts([]wire.Port{text(100)}, Options{limit: 2400, most: 1}); err != nil || s.Bytes() > 2400 {
		t.Errorf("%v", err)
	}
	other := wire.Port{Name: "X", DType: tensor.Float32, Shape: []int64{100}}
	for name, c := range map[string]struct {
		ports []wire.Port
		o     Options
	}{
		"one":          {[]wire.Port{text(100)}, Options{limit: 2399}},
		"hundred mio":  {[]wire.Port{text(100000000)}, Options{}},
		"overflow":     {[]wire.Port{text(1 << 62)}, Options{}},
		"overflow too": {[]wire.Port{text(1<<40, 1<<40)}, Options{}},
		"together":     {[]wire.Port{other, text(100)}, Options{limit: 2700}},
		"asked for":    {[]wire.Port{text(-1)}, Options{Bindings: model.Bindings{Shapes: map[string]tensor.Shape{"T": {100000000}}}}},
		"batch":        {[]wire.Port{text(-1, 1000)}, Options{Bindings: model.Bindings{Dims: map[string]int64{"batch": 100000}}}},
	} {
		_, err := FromPorts(c.ports, c.o)
		t.Run(name, func(t *testing.T) { refuses(t, err, `"T"`) })
	}
}
