//go:build cgo && !windows

#define _GNU_SOURCE // sigaltstack
#include "shim.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Places in the OrtApi table (TestShimIndices).
enum {
	CreateStatus = 0,
	GetErrorCode = 1,
	GetErrorMessage = 2,
	Run = 9,
	CreateRunOptions = 39,
	RunOptionsSetTerminate = 46,
	RunOptionsUnsetTerminate = 47,
	CreateTensorAsOrtValue = 48,
	CreateTensorWithDataAsOrtValue = 49,
	GetTensorMutableData = 51,
	GetStringTensorDataLength = 53,
	GetStringTensorContent = 54,
	GetTensorElementType = 60,
	GetDimensionsCount = 61,
	GetDimensions = 62,
	GetTensorTypeAndShape = 65,
	GetValueType = 67,
	CreateCpuMemoryInfo = 69,
	AllocatorFree = 76,
	GetAllocatorWithDefaultOptions = 78,
	GetValue = 80,
	GetValueCount = 81,
	CreateValue = 82,
	ReleaseStatus = 93,
	ReleaseValue = 96,
	ReleaseRunOptions = 97,
	ReleaseTensorTypeAndShapeInfo = 99,
	SessionEndProfiling = 110,
	GetAvailableProviders = 125,
	ReleaseAvailableProviders = 126,
	HasValue = 192,
	RegisterCustomOpsLibrary_V2 = 228,
	GetResizedStringTensorElementBuffer = 252,
	Session_GetEpGraphAssignmentInfo = 407,
	EpAssignedSubgraph_GetEpName = 408,
	EpAssignedSubgraph_GetNodes = 409,
	EpAssignedNode_GetName = 410,
	EpAssignedNode_GetDomain = 411,
	EpAssignedNode_GetOperatorType = 412,
};

enum { TypeTensor = 1, StringElement = 8, ErrorNotImplemented = 9 };

// CALL calls entry i of the table as a function from the given argument types to a status.
#define CALL(rt, i, types) ((void *(*) types)(rt)->api[i])
#define RELEASE(rt, i, p) ((void (*)(void *))(rt)->api[i])(p)

typedef struct {
	void *const *(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

static const api_base *base; // of the one library of this process

const char *infer_open(infer_rt *rt, const char *path) {
	void *handle = dlopen(path, RTLD_LAZY);
	if (!handle) return dlerror();
	const api_base *(*get_base)(void) = (const api_base *(*)(void))dlsym(handle, "OrtGetApiBase");
	if (!get_base || !(base = get_base())) {
		dlclose(handle);
		return "it has no OrtGetApiBase function";
	}
	rt->version = base->get_version();
	return NULL;
}

const char *infer_preload(const char *path) { return dlopen(path, RTLD_NOW | RTLD_GLOBAL) ? NULL : dlerror(); }

void *infer_signal_stack(void) {
	stack_t *s = malloc(sizeof *s);
	if (s && sigaltstack(NULL, s)) {
		free(s);
		s = NULL;
	}
	return s;
}

void infer_signal_stack_back(void *stack) {
	if (stack) sigaltstack(stack, NULL);
	free(stack);
}

const char *infer_start(infer_rt *rt, uint32_t api_version) {
	rt->api = base->get_api(api_version);
	if (!rt->api) return "it does not serve this API version";
	// A round trip through three entries: a table of another layout must not be called any further.
	void *s = ((void *(*)(int, const char *))rt->api[CreateStatus])(ErrorNotImplemented, "infer");
	int ok = s && ((int (*)(void *))rt->api[GetErrorCode])(s) == ErrorNotImplemented &&
		strcmp(infer_message(rt, s), "infer") == 0;
	if (!ok) return "its function table is not the one this program knows";
	infer_release_status(rt, s);
	s = CALL(rt, CreateCpuMemoryInfo, (int, int, void **))(1, 0, &rt->memory);
	if (!s) s = CALL(rt, GetAllocatorWithDefaultOptions, (void **))(&rt->allocator);
	return s ? infer_message(rt, s) : NULL;
}

const char *infer_message(const infer_rt *rt, void *status) {
	return ((const char *(*)(void *))rt->api[GetErrorMessage])(status);
}

void infer_release_status(const infer_rt *rt, void *status) { RELEASE(rt, ReleaseStatus, status); }

void *infer_providers(const infer_rt *rt, char ***names, int *n) {
	return CALL(rt, GetAvailableProviders, (char ***, int *))(names, n);
}

void infer_release_providers(const infer_rt *rt, char **names, int n) {
	void *s = CALL(rt, ReleaseAvailableProviders, (char **, int))(names, n);
	if (s) infer_release_status(rt, s);
}

void *infer_end_profiling(const infer_rt *rt, void *session, char **path) {
	return CALL(rt, SessionEndProfiling, (void *, void *, char **))(session, rt->allocator, path);
}

void infer_free(const infer_rt *rt, void *p) {
	void *s = CALL(rt, AllocatorFree, (void *, void *))(rt->allocator, p);
	if (s) infer_release_status(rt, s);
}

void *infer_frame_new(const infer_rt *rt, void *session, size_t in_len, size_t out_len, infer_frame **out) {
	size_t slots = 2 * (in_len + out_len);
	infer_frame *f = calloc(1, sizeof *f + slots * sizeof(void *));
	if (!f) abort(); // as Go does when memory is out
	void **p = (void **)(f + 1);
	f->rt = rt;
	f->session = session;
	f->in_len = in_len;
	f->out_len = out_len;
	f->in_names = (const char **)p;
	f->in = p + in_len;
	f->out_names = (const char **)(p + 2 * in_len);
	f->out = p + 2 * in_len + out_len;
	void *s = CALL(rt, CreateRunOptions, (void **))(&f->options);
	if (s) {
		free(f);
		return s;
	}
	*out = f;
	return NULL;
}

void infer_frame_free(infer_frame *f) {
	RELEASE(f->rt, ReleaseRunOptions, f->options);
	free(f);
}

void infer_terminate(infer_frame *f) {
	void *s = CALL(f->rt, RunOptionsSetTerminate, (void *))(f->options);
	if (s) infer_release_status(f->rt, s);
}

void infer_resume(infer_frame *f) {
	void *s = CALL(f->rt, RunOptionsUnsetTerminate, (void *))(f->options);
	if (s) infer_release_status(f->rt, s);
}

void *infer_run(infer_frame *f) {
	return CALL(f->rt, Run, (void *, void *, const char **, void **, size_t, const char **, size_t, void **))(
		f->session, f->options, f->in_names, f->in, f->in_len, f->out_names, f->out_len, f->out);
}

void *infer_run_timed(infer_frame *f, size_t n, double *seconds, size_t *done) {
	struct timespec begin, end;
	for (*done = 0; *done < n; ++*done) {
		clock_gettime(CLOCK_MONOTONIC, &begin);
		void *s = infer_run(f);
		clock_gettime(CLOCK_MONOTONIC, &end);
		if (s) return s;
		seconds[*done] = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
	}
	return NULL;
}

void *infer_tensor(const infer_rt *rt, int dtype, const int64_t *dims, size_t rank, void *data, size_t len, void **out) {
	static char nothing[64]; // where a tensor without elements lies
	if (len == 0) data = nothing;
	return CALL(rt, CreateTensorWithDataAsOrtValue, (void *, void *, size_t, const int64_t *, size_t, int, void **))(
		rt->memory, data, len, dims, rank, dtype, out);
}

void *infer_strings(const infer_rt *rt, const int64_t *dims, size_t rank, const char *text, const size_t *lens, size_t n, void **out) {
	void *v = NULL;
	void *s = CALL(rt, CreateTensorAsOrtValue, (void *, const int64_t *, size_t, int, void **))(
		rt->allocator, dims, rank, StringElement, &v);
	for (size_t i = 0; !s && i < n; i++) {
		// Not FillStringTensor: that ends a string at its first zero byte.
		char *at = NULL;
		s = CALL(rt, GetResizedStringTensorElementBuffer, (void *, size_t, size_t, char **))(v, i, lens[i], &at);
		if (!s && lens[i] > 0) memcpy(at, text, lens[i]);
		text += lens[i];
	}
	if (s && v) infer_release_value(rt, v);
	if (!s) *out = v;
	return s;
}

void *infer_compound(const infer_rt *rt, void **items, size_t n, int kind, void **out) {
	return CALL(rt, CreateValue, (void **, size_t, int, void **))(items, n, kind, out);
}

void infer_release_value(const infer_rt *rt, void *value) { RELEASE(rt, ReleaseValue, value); }

static void *describe_tensor(const infer_rt *rt, void *value, infer_info *o) {
	void *info = NULL;
	void *s = CALL(rt, GetTensorTypeAndShape, (void *, void **))(value, &info);
	if (s) return s;
	s = CALL(rt, GetTensorElementType, (void *, int *))(info, &o->dtype);
	if (!s) s = CALL(rt, GetDimensionsCount, (void *, size_t *))(info, &o->rank);
	if (!s && o->rank <= INFER_MAX_RANK) s = CALL(rt, GetDimensions, (void *, int64_t *, size_t))(info, o->dims, o->rank);
	RELEASE(rt, ReleaseTensorTypeAndShapeInfo, info);
	if (s) return s;
	if (o->dtype == StringElement) return CALL(rt, GetStringTensorDataLength, (void *, size_t *))(value, &o->str_len);
	return CALL(rt, GetTensorMutableData, (void *, void **))(value, &o->data);
}

void *infer_describe(const infer_rt *rt, void *value, infer_info *o) {
	memset(o, 0, sizeof *o);
	void *s = CALL(rt, HasValue, (void *, int *))(value, &o->has_value);
	if (s || !o->has_value) return s;
	s = CALL(rt, GetValueType, (void *, int *))(value, &o->kind);
	if (s) return s;
	if (o->kind == TypeTensor) return describe_tensor(rt, value, o);
	if (o->kind == 2 || o->kind == 3) return CALL(rt, GetValueCount, (void *, size_t *))(value, &o->count);
	return NULL;
}

void *infer_item(const infer_rt *rt, void *value, int i, void **out) {
	return CALL(rt, GetValue, (void *, int, void *, void **))(value, i, rt->allocator, out);
}

void *infer_string_content(const infer_rt *rt, void *value, void *text, size_t len, size_t *offsets, size_t n) {
	return CALL(rt, GetStringTensorContent, (void *, void *, size_t, size_t *, size_t))(value, text, len, offsets, n);
}

void *infer_alloc(size_t size) {
	void *p = NULL;
	return posix_memalign(&p, 64, size) ? NULL : p;
}

void *infer_register_custom_ops(const infer_rt *rt, void *options, const char *path) {
	return CALL(rt, RegisterCustomOpsLibrary_V2, (void *, const char *))(options, path);
}

void *infer_assigned(const infer_rt *rt, void *session, void *const **subgraphs, size_t *n) {
	return CALL(rt, Session_GetEpGraphAssignmentInfo, (void *, void *const **, size_t *))(session, subgraphs, n);
}

void *infer_assigned_nodes(const infer_rt *rt, void *subgraph, const char **provider, void *const **nodes, size_t *n) {
	void *s = CALL(rt, EpAssignedSubgraph_GetEpName, (void *, const char **))(subgraph, provider);
	if (!s) s = CALL(rt, EpAssignedSubgraph_GetNodes, (void *, void *const **, size_t *))(subgraph, nodes, n);
	return s;
}

void *infer_assigned_node(const infer_rt *rt, void *node, const char **name, const char **domain, const char **op) {
	void *s = CALL(rt, EpAssignedNode_GetName, (void *, const char **))(node, name);
	if (!s) s = CALL(rt, EpAssignedNode_GetDomain, (void *, const char **))(node, domain);
	if (!s) s = CALL(rt, EpAssignedNode_GetOperatorType, (void *, const char **))(node, op);
	return s;
}
