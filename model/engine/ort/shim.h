// The few calls of ONNX Runtime's C API that onnxruntime_go does not offer, or not without an allocation or a copy.
//
// They address functions by their place in the OrtApi table, which only ever grows at its end. The places are checked
// against the header that onnxruntime_go pins by TestShimIndices; infer_open checks the table that it is given.
#ifndef INFER_ORT_SHIM_H
#define INFER_ORT_SHIM_H

#include <stddef.h>
#include <stdint.h>

// infer_rt is an open library. Every function that returns void * returns an OrtStatus, NULL where all went well.
typedef struct {
	void *const *api;    // the OrtApi table
	const char *version; // the library's own, NULL before infer_open
	void *memory;        // OrtMemoryInfo of the CPU
	void *allocator;     // the default one, not owned
} infer_rt;

// infer_frame holds the arguments of one Run call, in C memory so that a call passes one pointer.
typedef struct {
	const infer_rt *rt;
	void *session, *options;
	size_t in_len, out_len;
	const char **in_names, **out_names; // not owned
	void **in, **out;                   // OrtValues, not owned
} infer_frame;

enum { INFER_MAX_RANK = 32 };

// infer_info describes an OrtValue.
typedef struct {
	int kind;        // ONNXType
	int dtype;       // ONNXTensorElementDataType
	int has_value;   // 0 for an empty optional
	size_t rank;     // of a tensor
	size_t count;    // items of a sequence, map or optional
	size_t str_len;  // bytes of all strings of a string tensor
	void *data;      // of a tensor that holds no strings
	int64_t dims[INFER_MAX_RANK];
} infer_info;

// infer_open loads the library at path and fills rt->version; infer_start fills the rest, after the library has
// been found new enough. Both return NULL, or why not.
const char *infer_open(infer_rt *rt, const char *path);
const char *infer_start(infer_rt *rt, uint32_t api_version);

// infer_preload loads a library that another one needs. NULL, or why not.
const char *infer_preload(const char *path);

// infer_signal_stack notes the signal stack of this thread in a new object; infer_signal_stack_back sets it again and
// frees the object.
void *infer_signal_stack(void);
void infer_signal_stack_back(void *stack);

const char *infer_message(const infer_rt *rt, void *status);
void infer_release_status(const infer_rt *rt, void *status);
void *infer_providers(const infer_rt *rt, char ***names, int *n);
void infer_release_providers(const infer_rt *rt, char **names, int n);
void *infer_end_profiling(const infer_rt *rt, void *session, char **path);
void infer_free(const infer_rt *rt, void *p);

void *infer_frame_new(const infer_rt *rt, void *session, size_t in_len, size_t out_len, infer_frame **out);
void infer_frame_free(infer_frame *f);
void infer_terminate(infer_frame *f);
void infer_resume(infer_frame *f);
void *infer_run(infer_frame *f);
// infer_run_timed runs up to n times; *done counts the runs that went well, seconds holds how long each took.
void *infer_run_timed(infer_frame *f, size_t n, double *seconds, size_t *done);

void *infer_tensor(const infer_rt *rt, int dtype, const int64_t *dims, size_t rank, void *data, size_t len, void **out);
void *infer_strings(const infer_rt *rt, const int64_t *dims, size_t rank, const char *text, const size_t *lens, size_t n, void **out);
void *infer_compound(const infer_rt *rt, void **items, size_t n, int kind, void **out);
void infer_release_value(const infer_rt *rt, void *value);
void *infer_describe(const infer_rt *rt, void *value, infer_info *out);
void *infer_item(const infer_rt *rt, void *value, int i, void **out);
void *infer_string_content(const infer_rt *rt, void *value, void *text, size_t len, size_t *offsets, size_t n);

void *infer_register_custom_ops(const infer_rt *rt, void *options, const char *path);

// Which provider a session gave each node to, where its options asked to record it. The strings and lists are the session's.
void *infer_assigned(const infer_rt *rt, void *session, void *const **subgraphs, size_t *n);
void *infer_assigned_nodes(const infer_rt *rt, void *subgraph, const char **provider, void *const **nodes, size_t *n);
void *infer_assigned_node(const infer_rt *rt, void *node, const char **name, const char **domain, const char **op);

void *infer_alloc(size_t size);

#endif
