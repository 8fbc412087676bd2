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
	regexp.MustCompile(`^Error creating (C session( from file)?|internal AdvancedSession): `),
	regexp.MustCompile(`^Platform-specific initialization failed: `),
	regexp.MustCompile(`^Load model from .*? failed: ?`),
	regexp.MustCompile(`^(Exception during (initialization|loading)|Fatal error|This is an invalid model\. Error( in Node)?|This is an invalid model|Failed to load model with error|Type Error|Exception caught|Error): ?`),
	regexp.MustCompile(`^\[ShapeInferenceError\] ?`),
}

var sourcePath = regexp.MustCompile(`(?:[A-Za-z]:)?[\w./\\+-]+\.(?:cc|cpp|cxx|h|hpp|cu|cuh|c):\d+ `)

// advice adds a kind and a hint to causes that the user can do something about; the first match counts.
var advice = []struct {
	match *regexp.Regexp
	kind  fault.Kind
	hint  string
}{
	{regexp.MustCompile(`Failed to construct locale|locale::facet`), fault.Unsupported,
		"the model needs the en_US.UTF-8 locale: generate it (Debian: apt-get install locales && locale-gen en_US.UTF-8)"},
	{regexp.MustCompile(`Unsupported model IR version`), fault.Unsupported,
		"export the model with an older ONNX, or install a newer ONNX Runtime with `infer runtime install`"},
	{regexp.MustCompile(`only \*?guarantees\*? support for models stamped|opset \d+ is under development`), fault.Unsupported,
		"convert the model with `infer convert --to onnx:opset=N`, or install a newer ONNX Runtime"},
	{regexp.MustCompile(`is not a registered function/op|No Op registered for|not a registered`), fault.Unsupported,
		"a custom operator needs a library that registers it; infer runs only operators that ONNX Runtime contains"},
	{regexp.MustCompile(`Could not find an implementation for|NOT_IMPLEMENTED|not implemented`), fault.Unsupported,
		"the execution provider has no kernel for this operator and dtype: try another opset, dtype or --provider"},
	{regexp.MustCompile(`disable_cpu_ep_fallback|fallback to CPU EP has been explicitly disabled`), fault.Unsupported,
		"list cpu after it to let the rest of the graph run there: --provider NAME --provider cpu"},
	{regexp.MustCompile(`(?i)protobuf parsing failed|INVALID_PROTOBUF|ModelProto does not have a graph`), fault.Internal,
		"the file is damaged or is no ONNX model: get it again, or look at it with `infer inspect`"},
	{regexp.MustCompile(`(?i)failed to allocate memory|bad_alloc|out of memory`), fault.Internal,
		"use a smaller batch or shape, or a machine with more memory"},
	{regexp.MustCompile(`shape verification failed|Got invalid dimensions|Invalid rank for input|Unexpected input data type`), fault.Usage,
		"see the model's inputs and outputs with `infer inspect`"},
}

// translate makes an error of what the library said: one line, the cause kept, a kind and a hint where one is known.
func translate(message string) error {
	clean := cleanMessage(message)
	for _, a := range advice {
		if a.match.MatchString(message) {
			return fault.New(a.kind, a.hint, "%s", clean)
		}
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
	m = strings.TrimRight(m, " .")
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
	for i := open; i < len(m); i++ {
		switch m[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			if strings.HasPrefix(m[i+1:], "(") || strings.HasPrefix(m[i+1:], "::") {
				continue // operator()(…), or a lambda inside a function
			}
			end = i + 1
			break
		}
	}
	if end < 0 {
		return m
	}
	rest := strings.TrimPrefix(strings.TrimLeft(m[end:], " "), "const ")
	if strings.HasPrefix(rest, "[with ") {
		if i := strings.IndexByte(rest, ']'); i >= 0 {
			rest = rest[i+1:]
		}
	}
	return rest
}
