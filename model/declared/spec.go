package declared

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"infer/internal/fault"
)

// spec is the declaration as it is written.
type spec struct {
	Image  *imageSpec  `yaml:"image"`
	Text   *textSpec   `yaml:"text"`
	Labels *labelsSpec `yaml:"labels"`
}

// imageSpec declares an image input.
type imageSpec struct {
	Input      string   `yaml:"input"`      // "": the only input
	Size       *size    `yaml:"size"`       // nil: what the input fixes
	Fit        string   `yaml:"fit"`        // crop, stretch, letterbox
	Shorter    int      `yaml:"shorter"`    // of crop; 0: what the size needs
	Corner     string   `yaml:"corner"`     // of letterbox: center, top-left
	Fill       *numbers `yaml:"fill"`       // of letterbox
	Rounding   string   `yaml:"rounding"`   // nearest, down
	Filter     string   `yaml:"filter"`     // bilinear, nearest, area, bicubic, lanczos
	Antialias  *bool    `yaml:"antialias"`  //
	Channels   string   `yaml:"channels"`   // rgb, bgr, gray
	Scale      *number  `yaml:"scale"`      //
	Mean       *numbers `yaml:"mean"`       //
	Std        *numbers `yaml:"std"`        //
	Layout     string   `yaml:"layout"`     // nchw, nhwc; "": what the input's axes say
	Background *numbers `yaml:"background"` // behind transparent pixels
	MaxPixels  int64    `yaml:"max_pixels"` //
}

// textSpec declares a text input.
type textSpec struct {
	Tokenizer string  `yaml:"tokenizer"` // wordpiece, bpe, words, or a tokenizer.json
	Vocab     string  `yaml:"vocab"`
	Merges    string  `yaml:"merges"`  // of bpe
	Pattern   string  `yaml:"pattern"` // of words
	Lower     *bool   `yaml:"lower"`
	Accents   *bool   `yaml:"accents"` // of wordpiece: kept
	Blank     *bool   `yaml:"prefix_space"`
	Unknown   *string `yaml:"unknown"`
	Start     *string `yaml:"start"`
	End       *string `yaml:"end"`
	Pad       *string `yaml:"pad"`
	MaxLength int     `yaml:"max_length"`
	PadTo     int     `yaml:"pad_to"`
	IDs       string  `yaml:"ids"`
	Mask      string  `yaml:"mask"`
	Types     string  `yaml:"types"`
}

// labelsSpec declares what an output means.
type labelsSpec struct {
	Output  string `yaml:"output"` // "": the only output
	Names   *names `yaml:"names"`
	Top     int    `yaml:"top"`
	Softmax bool   `yaml:"softmax"`
}

// names are labels, in the file or in one of its own.
type names struct {
	file string
	list []string
}

func (n *names) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		n.file = node.Value
		return nil
	}
	return node.Decode(&n.list)
}

// size is a number for a square, or {width: W, height: H}.
type size struct {
	width, height int
}

func (s *size) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		err := node.Decode(&s.width)
		s.height = s.width
		return err
	}
	var both struct {
		Width  int `yaml:"width"`
		Height int `yaml:"height"`
	}
	if err := strict(node, reflect.TypeOf(both), "size"); err != nil {
		return err
	}
	err := node.Decode(&both)
	s.width, s.height = both.Width, both.Height
	return err
}

// number is a number or a fraction such as 1/255.
type number float64

func (n *number) UnmarshalYAML(node *yaml.Node) error {
	over, under, isFraction := strings.Cut(node.Value, "/")
	if !isFraction || node.Kind != yaml.ScalarNode {
		return node.Decode((*float64)(n))
	}
	a, errA := strconv.ParseFloat(strings.TrimSpace(over), 64)
	b, errB := strconv.ParseFloat(strings.TrimSpace(under), 64)
	if errA != nil || errB != nil || b == 0 {
		return fmt.Errorf("line %d: %q is neither a number nor a fraction such as 1/255", node.Line, node.Value)
	}
	*n = number(a / b)
	return nil
}

// numbers are one number for every channel, or one number each.
type numbers []float64

func (n *numbers) UnmarshalYAML(node *yaml.Node) error {
	var list []number
	if node.Kind == yaml.SequenceNode {
		if err := node.Decode(&list); err != nil {
			return err
		}
	} else {
		list = make([]number, 1)
		if err := node.Decode(&list[0]); err != nil {
			return err
		}
	}
	*n = nil
	for _, v := range list {
		*n = append(*n, float64(v))
	}
	return nil
}

// each returns the number of each of n channels.
func (n *numbers) each(key string, channels int, otherwise float64) ([]float64, error) {
	if n == nil {
		return slices.Repeat([]float64{otherwise}, channels), nil
	}
	switch len(*n) {
	case 1:
		return slices.Repeat(*n, channels), nil
	case channels:
		return *n, nil
	}
	return nil, fault.New(fault.Usage, "give one number, or one a channel", "%s has %d numbers for %d channels", key, len(*n), channels)
}

// parse reads a declaration. A key that is not known is an error that names it and the nearest known one.
func parse(data []byte) (spec, error) {
	var s spec
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return s, fault.New(fault.Usage, syntaxHint(data), "%w", err)
	}
	if len(root.Content) == 0 {
		return s, nil
	}
	if err := strict(root.Content[0], reflect.TypeOf(s), ""); err != nil {
		return s, err
	}
	if err := root.Content[0].Decode(&s); err != nil {
		return s, fault.New(fault.Usage, "", "%w", err)
	}
	return s, nil
}

// syntaxHint says what to do about a file that is no YAML. Its most frequent fault is hard to see.
func syntaxHint(data []byte) string {
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		if strings.Contains(indent, "\t") {
			return fmt.Sprintf("line %d is indented with a tab: YAML takes blanks alone", line)
		}
	}
	return "it is no YAML: check colons, brackets, quotation marks and indentation there"
}

// strict checks the keys of a mapping against the fields of a struct, and those of mappings in it.
func strict(node *yaml.Node, t reflect.Type, where string) error {
	if node.Kind == yaml.AliasNode {
		return fault.New(fault.Usage, "write it out", "line %d: an alias is not taken here", node.Line)
	}
	if node.Kind != yaml.MappingNode {
		return fault.New(fault.Usage, "write keys below it", "line %d: %s is no mapping", node.Line, cmp.Or(where, "the file"))
	}
	inner := map[string]reflect.Type{}
	known := make([]string, t.NumField())
	for i := range known {
		f := t.Field(i)
		known[i] = f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct && !f.Type.Implements(unmarshaler) {
			inner[known[i]] = f.Type.Elem()
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := strings.TrimPrefix(where+"."+key.Value, ".")
		if !slices.Contains(known, key.Value) {
			hint := "known keys: " + strings.Join(known, ", ")
			if near := fault.Nearest(key.Value, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			return fault.New(fault.Usage, hint, "line %d: unknown key %q", key.Line, path)
		}
		if t := inner[key.Value]; t != nil {
			if err := strict(value, t, path); err != nil {
				return err
			}
		}
	}
	return nil
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()
