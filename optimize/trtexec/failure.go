package trtexec

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"

	"infer/internal/fault"
)

// causes are what trtexec fails of that a user can do something about; the first that matches a line counts. text is
// what is said in place of the line, with $1 from the match, "" says the line itself.
var causes = []struct {
	match *regexp.Regexp
	text  string
	kind  fault.Kind
	hint  string
}{
	{regexp.MustCompile(`error while loading shared libraries: (\S+):`), "the library $1 is not found", fault.Unsupported,
		"add the lib folder of TensorRT and of CUDA to LD_LIBRARY_PATH"},
	{regexp.MustCompile(`(?:Could not load library|Unable to open library:?) (\S+)`), "the library $1 is not found", fault.Unsupported,
		"add the lib folder of TensorRT and of CUDA to LD_LIBRARY_PATH"},
	{regexp.MustCompile(`(?i)no CUDA-capable device|CUDA driver version is insufficient|CUDA initialization failure|Cuda failure: (?:35|100|999)\b|Cannot find any available GPU`), "", fault.Unsupported,
		"TensorRT needs an NVIDIA GPU and a driver that is new enough for its CUDA: see nvidia-smi"},
	{regexp.MustCompile(`Target GPU SM (\d+) is not supported`), "this release of TensorRT does not support GPUs of SM $1", fault.Unsupported,
		"take the last release of TensorRT that does"},
	{regexp.MustCompile(`(?i)generated on an incompatible device, expecting compute (\S+) got compute ([\d.]+)`), "the engine is for compute capability $1, this GPU has $2", fault.Unsupported,
		"build it on this kind of GPU, or with --hw-compat"},
	{regexp.MustCompile(`(?i)plan file is not compatible|Version tag does not match|stdVersionRead == |[Cc]urrent Version: \d+, Serialized Engine Version: \d+`), "the engine was built by another release of TensorRT", fault.Unsupported,
		"build it again with this one, or with --version-compat"},
	{regexp.MustCompile(`(?i)OutOfMemory|out of memory|std::bad_alloc|Cuda failure: 2\b`), "the GPU or the machine ran out of memory", fault.Internal,
		"close what else uses the GPU, give a smaller largest shape in --profile, or limit --workspace"},
	{regexp.MustCompile(`Cannot find input tensor with name "(.*)" in the network`), `the model has no input "$1"`, fault.Usage,
		"see its inputs with `infer inspect`"},
	{regexp.MustCompile(`Static model does not take explicit shapes`), "the model has no dynamic axes, and takes no shapes", fault.Usage, "leave out --profile"},
	{regexp.MustCompile(`Unknown option: (\S+)`), "this trtexec does not know $1", fault.Unsupported, "leave out what needs it, or take a newer TensorRT"},
	{regexp.MustCompile(`No importer registered for op: ([\w.]+)`), "TensorRT has no operator $1, nor a plugin for it", fault.Unsupported, providerHint},
	{regexp.MustCompile(`and operator: (\w+) \((\w+)\): (UNSUPPORTED_NODE\w*|INVALID_NODE): (?:Assertion failed: )?(.*)`), "TensorRT does not take operator $1: $4", fault.Unsupported, providerHint},
	{regexp.MustCompile(`Could not find any implementation for node (.+?)\.?$`), "TensorRT has no kernel for $1", fault.Unsupported,
		"allow more with --workspace and a higher --opt-level; " + providerHint},
	{regexp.MustCompile(`(?i)strongly typed|must have (?:the )?same types?|type mismatch|types do not match`), "", fault.Unsupported,
		"TensorRT takes precision from the types of the graph, which must agree: make the typed model with `infer convert --to fp16` or `infer quantize --target tensorrt` first"},
	{regexp.MustCompile(`Plugin not found, are the plugin name, version, and namespace correct`), "it has an operator that TensorRT knows neither itself nor as a plugin", fault.Unsupported, providerHint},
	{regexp.MustCompile(`(?i)No space left on device`), "the disk is full", fault.Internal, "make room, or write elsewhere"},
}

const providerHint = "without --via trtexec ONNX Runtime runs on CUDA what TensorRT cannot: infer profile --provider tensorrt --provider cuda"

// echoes are error lines that only repeat that something has failed.
var echoes = regexp.MustCompile(`(?i)^(Engine set up failed|Engine could not be created from network|Building engine failed|Parsing model failed|Failed to parse onnx file|` +
	`Failed to create engine from (model|file).*|Error occurred during inference|Inference set up failed|Engine deserialization failed|` +
	`.*Assertion engine != nullptr failed.*|-+ (Begin|End) node -+|--- .* ---|Saving engine to file failed\.?)$`)

var (
	severity   = regexp.MustCompile(`^\[[\d/]+-[\d:]+\] \[([A-Z])\] (.*)$`)
	trtPrefix  = regexp.MustCompile(`^\[TRT\] `)
	sourceLine = regexp.MustCompile(`^(?:[\w./\\-]+\.(?:cpp|h|cu):\d+: |\[[\w.]+::\w+::\d+\] )+`)
	errorCode  = regexp.MustCompile(`^(?:(?:\w+::)+\w+: )?Error Code \d+: `)
	wrapped    = regexp.MustCompile(`^(?:API Usage|Internal) Error \((.*)\)\.?$`)
	bareError  = regexp.MustCompile(`^(?:ERROR: [\w.]+:\d+ In function \w+:|\[\d+\] )`)
)

// explain makes one error of what a trtexec that failed has printed and of how it ended. what is what was tried, in words.
func explain(lines []string, end error, what string) error {
	if errors.Is(end, context.Canceled) || errors.Is(end, context.DeadlineExceeded) {
		return end
	}
	if fault.KindOf(end) == fault.Usage { // it did not start
		return end
	}
	told := errorLines(lines)
	for _, c := range causes {
		for _, l := range told {
			at := c.match.FindStringSubmatchIndex(l)
			if at == nil {
				continue
			}
			text := l
			if c.text != "" {
				text = string(c.match.ExpandString(nil, c.text, l, at))
			}
			return fault.New(c.kind, c.hint, "%s: %s", what, strings.TrimRight(text, " ."))
		}
	}
	for _, l := range told {
		if !echoes.MatchString(l) {
			return fault.New(fault.Internal, "see all that it says with --log-level debug", "%s: %s", what, strings.TrimRight(l, " ."))
		}
	}
	if exit, ok := errors.AsType[*exec.ExitError](end); ok && exit.ExitCode() < 0 {
		return fault.New(fault.Internal, "it may have run out of memory", "%s: trtexec was ended by the system: %s", what, exit)
	}
	if len(told) > 0 {
		return fault.New(fault.Internal, "see all that it says with --log-level debug", "%s: %s", what, told[0])
	}
	return fault.Wrap(end, "%s", what)
}

// errorLines returns what of the lines is an error, without dates and places in the source: lines of level E and F,
// and those that no level stands before, which a loader or an assertion printed.
func errorLines(lines []string) []string {
	var told []string
	for _, l := range lines {
		text := strings.TrimSpace(l)
		if m := severity.FindStringSubmatch(text); m != nil {
			if m[1] != "E" && m[1] != "F" {
				continue
			}
			text = m[2]
		} else if strings.HasPrefix(text, "&&&&") || strings.HasPrefix(text, "--") || strings.HasPrefix(text, "===") {
			continue
		} else if !unleveled.MatchString(text) {
			continue
		}
		for again := true; again; {
			short := text
			for _, p := range []*regexp.Regexp{trtPrefix, sourceLine, errorCode, bareError} {
				short = strings.TrimSpace(p.ReplaceAllString(short, ""))
			}
			if m := wrapped.FindStringSubmatch(short); m != nil {
				short = m[1]
			}
			again, text = short != text, short
		}
		if text != "" {
			told = append(told, text)
		}
	}
	return told
}

// unleveled are lines without a level that tell of an error all the same.
var unleveled = regexp.MustCompile(`(?i)error while loading|Could not load library|Unable to open library|Cuda failure|bad_alloc|No space left|\] Assertion failed|What\(\)|^Cannot find`)
