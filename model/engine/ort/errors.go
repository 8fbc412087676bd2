package ort

import (
	"fmt"
	"regexp"
	"strings"

	"infer/internal/fault"
)

const installHint = "see which libraries there are with `infer runtime list`, or install one with `infer runtime install`"

// noise is what the library and the wrapper put in front of a cause.
var noise = []*regexp.Regexp{
	regexp.MustCompile(`^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : `),
	regexp.MustCompile(`^Error creating (C session( from file)?|internal AdvancedSession): `),
	regexp.MustCompile(`^Error running network: `),
	regexp.MustCompile(`^Platform-specific initialization failed: `),
	regexp.MustCompile(`^Load model from .*? failed: ?`),
	regexp.MustCompile(`^Load model from .*\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : `),
	regexp.MustCompile(`^(Exception during (initialization|loading)|Fatal error|This is an invalid model\. Error( in Node)?|This is an invalid model|Failed to load model with error|Type Error|Exception caught|Error): ?`),
	regexp.MustCompile(`^\[ShapeInferenceError\] ?`),
	regexp.MustCompile(`^\[OpenVINO-EP\] `),
	regexp.MustCompile(`\bException from \S+:\d+: `),
}

var failedNode = regexp.MustCompile(`Non-zero status code returned while running (\S+) node\. Name:'(.*?)' Status Message: `)

var sourcePath = regexp.MustCompile(`(?:[A-Za-z]:)?[\w./\\+-]+\.(?:cc|cpp|cxx|h|hpp|cu|cuh|c):\d+ `)

// advice adds a kind and a hint to causes that the user can do something about, and says some of them in fewer words;
// the first match counts.
var advice = []struct {
	match *regexp.Regexp
	text  string // in place of the cause, with $1 from the match; "" keeps the cause
	kind  fault.Kind
	hint  string
}{
	{regexp.MustCompile(`Failed to construct locale with name:? ?([\w.-]+)`), "the library cannot use the locale $1", fault.Unsupported,
		"generate the locale that the model's string operators need (Debian: apt-get install locales && locale-gen en_US.UTF-8)"},
	{regexp.MustCompile(`Unsupported model IR version: (\d+), max supported IR version: (\d+)`), "IR version $1 is too new for this ONNX Runtime, which reads up to $2", fault.Unsupported,
		"export the model with an older ONNX, or give a newer ONNX Runtime by --ort-library"},
	{regexp.MustCompile(`(?s)Opset (\d+) is under development.*support for domain (\S+) is till opset (\d+)`), "opset $1 is too new for this ONNX Runtime, which has $2 up to $3", fault.Unsupported,
		"export the model with opset $3 or older, or give a newer ONNX Runtime by --ort-library"},
	{regexp.MustCompile(`No Op registered for (\S+) with domain_version of (\d+)`), "operator $1 does not exist in opset $2", fault.Unsupported,
		"the model imports an opset that is too old for it or too new for this library, or it needs a custom operator"},
	{regexp.MustCompile(`(?:^|\W)(com\.microsoft\.extensions|ai\.onnx\.contrib):([\w.]+)\(-?\d+\) is not a registered function/op`), "no library registers operator $2 of domain \"$1\"", fault.Unsupported,
		"onnxruntime-extensions has it: pip install onnxruntime-extensions, and pass the library of the package with --custom-ops LIB"},
	{regexp.MustCompile(`(?:^|\W)(?:([\w.]+):)?([\w.]+)\(-?\d+\) is not a registered function/op`), "no library registers operator $2 of domain \"$1\"", fault.Unsupported,
		"pass the library that has it with --custom-ops LIB, or export the model without custom operators"},
	{regexp.MustCompile(`Could not find an implementation for|NOT_IMPLEMENTED|not implemented`), "", fault.Unsupported,
		"the execution provider has no kernel for this operator and dtype: try another opset, dtype or --provider"},
	{regexp.MustCompile(`fallback to CPU EP has been explicitly disabled`), "it cannot run every node of the graph", fault.Unsupported,
		"list cpu after it to let the rest of the graph run there: --provider NAME --provider cpu"},
	{regexp.MustCompile(`Unable to serialize model as it contains compiled nodes`), "the execution provider compiles the graph and cannot write it", fault.Unsupported,
		"open the session on cpu to write the optimized graph"},
	{regexp.MustCompile(`\[OpenVINO-EP\]`), "", fault.Unsupported,
		"OpenVINO cannot run this model as it is: fix its sizes (--shape, --dim), or run it on the cpu provider"},
	{regexp.MustCompile(`(?i)protobuf parsing failed|INVALID_PROTOBUF|ModelProto does not have a graph`), "", fault.Internal,
		"the file is damaged or is no ONNX model: get it again, or look at it with `infer inspect`"},
	{regexp.MustCompile(`External data path escapes model directory`), "", fault.Unsupported,
		"ONNX Runtime reads external data only from the model's own folder, not behind a link: copy both into one folder"},
	{regexp.MustCompile(`(?i)failed to allocate memory|bad_alloc|out of memory`), "", fault.Internal,
		"use a smaller batch or shape, or a machine with more memory"},
	{regexp.MustCompile(`shape verification failed|Got invalid dimensions|Invalid rank for input|Unexpected input data type`), "", fault.Usage,
		inspectHint},
}

// translate makes an error of what the library said: one line, the cause kept, a kind and a hint where one is known.
func translate(message string) error {
	clean := cleanMessage(message)
	for _, a := range advice {
		at := a.match.FindStringSubmatchIndex(message)
		if at == nil {
			continue
		}
		if a.text != "" {
			clean = string(a.match.ExpandString(nil, a.text, message, at))
		}
		hint := string(a.match.ExpandString(nil, a.hint, message, at))
		return fault.New(a.kind, hint, "%s", clean)
	}
	return fmt.Errorf("%s", clean)
}

// cleanMessage returns the cause in a message of the library: without stack traces, source paths, C++ signatures and
// line breaks.
func cleanMessage(m string) string {
	if i := strings.Index(m, "Stacktrace:"); i >= 0 {
		m = m[:i]
	}
	for {
		at := sourcePath.FindStringIndex(m)
		if at == nil {
			break
		}
		m = m[:at[0]] + skipSignature(m[at[1]:])
	}
	m = strings.Join(strings.Fields(m), " ")
	for again := true; again; {
		again = false
		for _, n := range noise {
			if short := n.ReplaceAllString(m, ""); short != m && short != "" {
				m, again = short, true
			}
		}
	}
	m = strings.TrimRight(failedNode.ReplaceAllString(m, `node "$2" ($1): `), " .")
	if m == "" {
		return "the library gave no reason"
	}
	return m
}

// skipSignature removes the C++ function signature that m starts with, if it does: everything to the parenthesis that
// closes the argument list of a qualified name, and what follows it ("const", "[with T = float]").
func skipSignature(m string) string {
	open := strings.IndexByte(m, '(')
	if open < 0 || !strings.Contains(m[:open], "::") {
		return m
	}
	depth, end := 0, -1
	for i := open; i < len(m) && end < 0; i++ {
		switch m[i] {
		case '(':
			depth++
		case ')':
			depth--
			more := strings.HasPrefix(m[i+1:], "(") || strings.HasPrefix(m[i+1:], "::") // operator()(…), a lambda
			if depth == 0 && !more {
				end = i + 1
			}
		}
	}
	if end < 0 {
		return m
	}
	rest := strings.TrimPrefix(strings.TrimLeft(m[end:], "> "), "const ")
	if strings.HasPrefix(rest, "[with ") {
		if i := strings.IndexByte(rest, ']'); i >= 0 {
			rest = rest[i+1:]
		}
	}
	return rest
}
