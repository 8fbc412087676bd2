// A library of one custom operator: infer.test:Twice, which doubles a float32 tensor.
#include "onnxruntime_c_api.h"

static const OrtApi *ort;

static void *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info) {
	(void)api, (void)info;
	return (void *)op; // it has no state
}

static void destroy(void *kernel) { (void)kernel; }

static void compute(void *kernel, OrtKernelContext *context) {
	(void)kernel;
	const OrtValue *in = NULL;
	OrtValue *out = NULL;
	OrtTensorTypeAndShapeInfo *info = NULL;
	int64_t dims[8];
	size_t rank = 0, n = 0;
	float *from = NULL, *to = NULL;
	if (ort->KernelContext_GetInput(context, 0, &in) || ort->GetTensorTypeAndShape(in, &info)) return;
	if (!ort->GetDimensionsCount(info, &rank) && rank <= 8 && !ort->GetDimensions(info, dims, rank) &&
		!ort->GetTensorShapeElementCount(info, &n) && !ort->KernelContext_GetOutput(context, 0, dims, rank, &out) &&
		!ort->GetTensorMutableData((OrtValue *)in, (void **)&from) && !ort->GetTensorMutableData(out, (void **)&to))
		for (size_t i = 0; i < n; i++) to[i] = 2 * from[i];
	ort->ReleaseTensorTypeAndShapeInfo(info);
}

static const char *name(const OrtCustomOp *op) { return (void)op, "Twice"; }
static const char *provider(const OrtCustomOp *op) { return (void)op, NULL; } // the cpu
static size_t one(const OrtCustomOp *op) { return (void)op, 1; }
static ONNXTensorElementDataType type(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT; }
static OrtCustomOpInputOutputCharacteristic required(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, INPUT_OUTPUT_REQUIRED; }
static OrtMemType memory(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, OrtMemTypeDefault; }
static int arity(const OrtCustomOp *op) { return (void)op, 1; }

static OrtCustomOp twice = {
	.version = 16, .CreateKernel = create, .KernelDestroy = destroy, .KernelCompute = compute, .GetName = name,
	.GetExecutionProviderType = provider, .GetInputType = type, .GetInputTypeCount = one, .GetOutputType = type,
	.GetOutputTypeCount = one, .GetInputCharacteristic = required, .GetOutputCharacteristic = required,
	.GetInputMemoryType = memory, .GetVariadicInputMinArity = arity, .GetVariadicInputHomogeneity = arity,
	.GetVariadicOutputMinArity = arity, .GetVariadicOutputHomogeneity = arity,
};

OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
	OrtCustomOpDomain *domain = NULL;
	ort = base->GetApi(16);
	OrtStatus *s = ort->CreateCustomOpDomain("infer.test", &domain);
	if (!s) s = ort->CustomOpDomain_Add(domain, &twice);
	if (!s) s = ort->AddCustomOpDomain(options, domain);
	return s;
}
