package ort

import (
	"strings"
	"testing"

	"infer/internal/fault"
)

// The messages are those of ONNX Runtime 1.30.0 and onnxruntime_go v1.27.0, in part shortened.
func TestTranslate(t *testing.T) {
	for _, test := range []struct {
		name, message, want string
		kind                fault.Kind
		hint                string // contained in the hint
	}{
		{"IR version", "Error creating C session from file: Load model from a b.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:181 onnxruntime::Model::Model(ModelProto&&, const PathString&, const IOnnxRuntimeOpSchemaRegistryList*, const logging::Logger&, const ModelOptions&) Unsupported model IR version: 99, max supported IR version: 13\n",
			"IR version 99 is too new for this ONNX Runtime, which reads up to 13", fault.Unsupported, "newer ONNX Runtime"},
		{"damaged file", "Error creating C session from file: Load model from m.onnx failed:Protobuf parsing failed.",
			"Protobuf parsing failed", fault.Internal, "damaged"},
		{"signature and line breaks", "Error running network: Non-zero status code returned while running Add node. Name:'sum' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/math/element_wise_ops.h:540 void onnxruntime::BroadcastIterator::Init(ptrdiff_t, ptrdiff_t) axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 3 by 4\n",
			"node \"sum\" (Add): axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 3 by 4", fault.Internal, ""},
		{"locale", "Error creating C session: Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cpu/nn/string_normalizer.cc:89 onnxruntime::string_normalizer::Locale::Locale(const std::string&) Failed to construct locale with name:en_US.UTF-8:locale::facet::_S_create_c_locale name not valid:Please, install necessary language-pack-en and configure locales\n",
			"the library cannot use the locale en_US.UTF-8", fault.Unsupported, "locale-gen"},
		{"custom operator", "Error creating C session: Load model from m.onnx failed:Fatal error: com.microsoft.extensions:BertTokenizer(-1) is not a registered function/op",
			`no library registers operator BertTokenizer of domain "com.microsoft.extensions"`, fault.Unsupported, "custom"},
		{"const method with template", "/onnxruntime_src/include/x.h:1 virtual onnxruntime::common::Status onnxruntime::Foo<T>::Compute(onnxruntime::OpKernelContext*) const [with T = float] bad things\nhappened\tthere",
			"bad things happened there", fault.Internal, ""},
		{"lambda", "/a/b.cc:12 onnxruntime::Run(int)::<lambda(int)> oops", "oops", fault.Internal, ""},
		{"call operator", "/a/b.cc:12 void onnxruntime::Fn::operator()(int, float) const oops", "oops", fault.Internal, ""},
		{"stack trace", "it failed\nStacktrace:\n/a/b.cc:1 x\n", "it failed", fault.Internal, ""},
		{"no signature", "/a/b.cc:12 oops (really)", "oops (really)", fault.Internal, ""},
		{"no kernel", "Could not find an implementation for Identity(16) node with name 'y'", "Could not find an implementation for Identity(16) node with name 'y'", fault.Unsupported, "kernel"},
		{"nothing", "\n", "the library gave no reason", fault.Internal, ""},
		{"unclosed", "/a/b.cc:12 onnxruntime::F(int oops", "onnxruntime::F(int oops", fault.Internal, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := translate(test.message)
			if err.Error() != test.want {
				t.Errorf("got  %q\nwant %q", err, test.want)
			}
			if fault.KindOf(err) != test.kind || !strings.Contains(fault.HintOf(err), test.hint) {
				t.Errorf("got kind %d, hint %q", fault.KindOf(err), fault.HintOf(err))
			}
		})
	}
}

func FuzzCleanMessage(f *testing.F) {
	f.Add("/a/b.cc:12 onnxruntime::F(int)::<lambda(x)> oops\nStacktrace:")
	f.Fuzz(func(t *testing.T, m string) {
		if clean := cleanMessage(m); clean == "" || strings.ContainsAny(clean, "\n\r") {
			t.Fatalf("%q became %q", m, clean)
		}
	})
}

func TestLookUp(t *testing.T) {
	for _, name := range []string{"cpu", "CUDA", "dml", "directml", "nvtensorrtrtx", "webgpu"} {
		if _, err := lookUp(name, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := lookUp("rocm", []string{"cpu", "rocm"}); err != nil {
		t.Errorf("a provider that the library lists: %v", err)
	}
	_, err := lookUp("cudda", nil)
	if fault.KindOf(err) != fault.Usage || !strings.HasPrefix(fault.HintOf(err), "did you mean cuda?") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
}
