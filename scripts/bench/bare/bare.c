/* bare LIBRARY MODEL RUNS THREADS [AXIS=SIZE]...
 *
 * The yardstick of docs/benchmarks.md: the median of RunWithBinding in a plain C loop, nothing else around it.
 * Prints one number, seconds. Inputs: floats in [0,1), integers 1. Build with the C headers that come with the
 * Go module github.com/yalue/onnxruntime_go on the include path. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "onnxruntime_c_api.h"

enum { MAX_RANK = 16 };

static const OrtApi *api;

static void check(OrtStatus *status, const char *what) {
  if (status == NULL) return;
  fprintf(stderr, "%s: %s\n", what, api->GetErrorMessage(status));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int64_t axis_size(const char *axis, int count, char **pairs) {
  size_t n = strlen(axis);
  for (int i = 0; i < count; i++)
    if (n > 0 && strncmp(pairs[i], axis, n) == 0 && pairs[i][n] == '=') return atoll(pairs[i] + n + 1);
  return 1;
}

static void fill(void *data, size_t n, ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      for (size_t i = 0; i < n; i++) ((float *)data)[i] = (float)rand() / ((float)RAND_MAX + 1);
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      for (size_t i = 0; i < n; i++) ((int64_t *)data)[i] = 1;
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      for (size_t i = 0; i < n; i++) ((int32_t *)data)[i] = 1;
      break;
    default:
      fprintf(stderr, "input type %d is not known here\n", (int)type);
      exit(1);
  }
}

static void bind_input(OrtSession *session, OrtIoBinding *binding, OrtAllocator *heap, size_t index, int count, char **pairs) {
  char *name;
  OrtTypeInfo *info;
  const OrtTensorTypeAndShapeInfo *tensor;
  ONNXTensorElementDataType type;
  size_t rank, elements = 1;
  int64_t dims[MAX_RANK];
  const char *axes[MAX_RANK];
  OrtValue *value;
  void *data;
  check(api->SessionGetInputName(session, index, heap, &name), "input name");
  check(api->SessionGetInputTypeInfo(session, index, &info), "input type");
  check(api->CastTypeInfoToTensorInfo(info, &tensor), "input tensor type");
  check(api->GetTensorElementType(tensor, &type), "element type");
  check(api->GetDimensionsCount(tensor, &rank), "rank");
  if (rank > MAX_RANK) exit(1);
  check(api->GetDimensions(tensor, dims, rank), "dimensions");
  check(api->GetSymbolicDimensions(tensor, axes, rank), "axes");
  for (size_t i = 0; i < rank; i++) {
    if (dims[i] < 0) dims[i] = axis_size(axes[i], count, pairs);
    elements *= (size_t)dims[i];
  }
  check(api->CreateTensorAsOrtValue(heap, dims, rank, type, &value), "tensor");
  check(api->GetTensorMutableData(value, &data), "data");
  fill(data, elements, type);
  check(api->BindInput(binding, name, value), "bind input");
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: bare LIBRARY MODEL RUNS THREADS [AXIS=SIZE]...\n");
    return 2;
  }
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  void *library = dlopen(argv[1], RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
  api = base()->GetApi(ORT_API_VERSION);

  OrtEnv *env;
  OrtSessionOptions *options;
  OrtSession *session;
  OrtAllocator *heap;
  OrtMemoryInfo *cpu;
  OrtIoBinding *binding;
  size_t inputs, outputs;
  check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bare", &env), "environment");
  check(api->CreateSessionOptions(&options), "options");
  check(api->SetIntraOpNumThreads(options, atoi(argv[4])), "threads");
  check(api->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_ALL), "optimization level");
  check(api->CreateSession(env, argv[2], options, &session), "session");
  check(api->GetAllocatorWithDefaultOptions(&heap), "allocator");
  check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &cpu), "memory");
  check(api->CreateIoBinding(session, &binding), "binding");
  check(api->SessionGetInputCount(session, &inputs), "inputs");
  check(api->SessionGetOutputCount(session, &outputs), "outputs");
  for (size_t i = 0; i < inputs; i++) bind_input(session, binding, heap, i, argc - 5, argv + 5);
  for (size_t i = 0; i < outputs; i++) {
    char *name;
    check(api->SessionGetOutputName(session, i, heap, &name), "output name");
    check(api->BindOutputToDevice(binding, name, cpu), "bind output");
  }

  int runs = atoi(argv[3]);
  double *seconds = malloc((size_t)runs * sizeof *seconds);
  double start = now(); /* warm-up: half the runs, and a tenth of a second at least, for the CPU's frequency */
  for (int i = 0; i < runs / 2 || now() - start < 0.1; i++) check(api->RunWithBinding(session, NULL, binding), "run");
  for (int i = 0; i < runs; i++) {
    double begin = now();
    check(api->RunWithBinding(session, NULL, binding), "run");
    seconds[i] = now() - begin;
  }
  qsort(seconds, (size_t)runs, sizeof *seconds, by_value);
  printf("%.9f\n", seconds[(runs - 1) / 2]);
  return 0;
}
