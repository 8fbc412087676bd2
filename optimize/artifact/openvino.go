package artifact

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// ir is what the .xml of an OpenVINO IR says.
type ir struct {
	name    string
	version int
	layers  int
	opsets  map[string]int // by the version of the operator set, layers
	end     uint64         // of the last constant in the .bin
}

// extensionSets are operator sets that need a library beside OpenVINO.
var extensionSets = []string{"extension", "custom", ""}

// openVINO looks at an OpenVINO IR.
func (c *checker) openVINO() error {
	c.out.Kind = KindOpenVINO
	f, err := os.Open(c.path)
	if err != nil {
		return fault.New(fault.Usage, "", "artifact: %w", err)
	}
	defer f.Close()
	net, err := parseIR(f)
	switch {
	case errors.Is(err, errNoIR):
		return fault.New(fault.Usage, usageHint, "%q is XML, and no OpenVINO IR", c.path)
	case err != nil:
		c.find(levelError, "file", "convert the model again", "the IR is damaged: %v", err)
		return nil
	}
	c.fact("name", "%s", net.name)
	c.fact("ir_version", "%d", net.version)
	c.fact("layers", "%d", net.layers)
	sets := slices.Sorted(maps.Keys(net.opsets))
	c.fact("opsets", "%s", strings.Join(sets, ", "))
	switch {
	case net.version < 10:
		c.find(levelError, "ir_version", "convert the model again with OpenVINO 2022.1 or newer", "IR version %d is no longer read by OpenVINO 2024 and newer", net.version)
	case net.version > 11:
		c.find(levelWarning, "ir_version", "use the OpenVINO that made it, or a newer one", "IR version %d is newer than what infer knows", net.version)
	default:
		c.find(levelOK, "ir_version", "", "IR version %d is read by every OpenVINO since 2022.1", net.version)
	}
	for _, s := range sets {
		if slices.Contains(extensionSets, s) {
			c.find(levelWarning, "operators", "OpenVINO needs the extension library that has them", "%d layers are of operator set %q", net.opsets[s], s)
		}
	}
	c.irWeights(net)
	if r, ok := c.provider("openvino"); ok {
		c.find(levelOK, "provider", "", "OpenVINO comes with ONNX Runtime %s here", firstOf(r.Version, r.Path))
	} else {
		c.find(levelError, "provider", installFix("openvino"), "no OpenVINO is here")
	}
	c.find(levelNote, "use", "infer runs ONNX files: convert without --via ovc", "an IR is for OpenVINO's own runtime and server")
	return nil
}

// irWeights compares the .bin beside the .xml with the places of constants in it.
func (c *checker) irWeights(net ir) {
	bin := strings.TrimSuffix(c.path, ".xml") + ".bin"
	info, err := os.Stat(bin)
	switch {
	case net.end == 0:
	case err != nil || !info.Mode().IsRegular():
		c.find(levelError, "weights", "copy the .bin beside the .xml", "%q is missing", bin)
	case uint64(info.Size()) < net.end:
		c.find(levelError, "weights", "copy it again: it is cut short", "%q has %d bytes, and constants reach to %d", bin, info.Size(), net.end)
	case uint64(info.Size()) > net.end:
		c.find(levelWarning, "weights", "", "%q has %d bytes more than the constants of the .xml: it may be of another model", bin, uint64(info.Size())-net.end)
	default:
		c.find(levelOK, "weights", "", "%s, as large as the constants reach (%s)", bin, size(info.Size()))
	}
}

var errNoIR = errors.New("not an OpenVINO IR")

// parseIR reads the elements that are looked at: net, layer and, in a layer of type Const, data. Ref: OpenVINO
// documentation, "OpenVINO IR format".
func parseIR(r io.Reader) (ir, error) {
	net := ir{opsets: map[string]int{}}
	d := xml.NewDecoder(r)
	root, constant := false, false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && root {
			return net, nil
		}
		if err != nil {
			if !root {
				return net, errNoIR
			}
			return net, err
		}
		e, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		a := attributes(e)
		switch {
		case !root:
			version, err := strconv.Atoi(a["version"])
			if e.Name.Local != "net" || err != nil {
				return net, errNoIR
			}
			root, net.name, net.version = true, a["name"], version
		case e.Name.Local == "layer":
			net.layers++
			net.opsets[a["version"]]++
			constant = a["type"] == "Const"
		case e.Name.Local == "data" && constant:
			if err := net.place(a); err != nil {
				return net, err
			}
			constant = false
		}
	}
}

func attributes(e xml.StartElement) map[string]string {
	m := map[string]string{}
	for _, a := range e.Attr {
		m[a.Name.Local] = a.Value
	}
	return m
}

// place notes where a constant ends.
func (n *ir) place(a map[string]string) error {
	offset, err1 := strconv.ParseUint(a["offset"], 10, 62)
	length, err2 := strconv.ParseUint(a["size"], 10, 62)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("a constant lies at offset %q with size %q", a["offset"], a["size"])
	}
	n.end = max(n.end, offset+length)
	return nil
}
