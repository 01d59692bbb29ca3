/* What ayf calls of NVIDIA's libraries, which are opened when they are needed (load.h). The names, numbers and types
 * are NVIDIA's; tests compare them with NVIDIA's headers where these are installed. */
#ifndef AYF_BACKEND_CUDA_API_H
#define AYF_BACKEND_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

#ifndef AYF_CUDA_TYPES /* a test defines them by NVIDIA's */
typedef int ayf_cu_result, ayf_cu_device, ayf_cu_attribute, ayf_cu_capture_mode;
typedef void *ayf_cu_context, *ayf_cu_stream, *ayf_cu_module, *ayf_cu_function, *ayf_cu_graph,
    *ayf_cu_graph_exec;
typedef unsigned long long ayf_cu_pointer; /* to memory of the device */
typedef int ayf_nvrtc_result;
typedef void *ayf_nvrtc_program;
typedef int ayf_cudnn_status, ayf_cudnn_kind, ayf_cudnn_name, ayf_cudnn_type;
typedef void *ayf_cudnn_handle, *ayf_cudnn_descriptor;
typedef int ayf_lt_status, ayf_lt_compute, ayf_lt_data, ayf_lt_product_name, ayf_lt_layout_name,
    ayf_lt_preference_name;
typedef void *ayf_lt_handle, *ayf_lt_product, *ayf_lt_layout, *ayf_lt_preference;
typedef struct ayf_lt_algorithm {
    uint64_t data[8];
} ayf_lt_algorithm;
typedef struct ayf_lt_heuristic {
    ayf_lt_algorithm algo;
    size_t workspaceSize;
    ayf_lt_status state;
    float wavesCount;
    int reserved[4];
} ayf_lt_heuristic;
typedef int ayf_nccl_result, ayf_nccl_type, ayf_nccl_op;
typedef void *ayf_nccl_comm;
typedef struct ayf_nccl_id {
    char internal[128];
} ayf_nccl_id;
#endif

/* X(library, result, name, arguments) */
#define AYF_CUDA_FUNCTIONS(X)                                                                                \
    X(DRIVER, ayf_cu_result, cuInit, (unsigned))                                                             \
    X(DRIVER, ayf_cu_result, cuDriverGetVersion, (int *))                                                    \
    X(DRIVER, ayf_cu_result, cuGetErrorName, (ayf_cu_result, const char **))                                 \
    X(DRIVER, ayf_cu_result, cuGetErrorString, (ayf_cu_result, const char **))                               \
    X(DRIVER, ayf_cu_result, cuDeviceGetCount, (int *))                                                      \
    X(DRIVER, ayf_cu_result, cuDeviceGet, (ayf_cu_device *, int))                                            \
    X(DRIVER, ayf_cu_result, cuDeviceGetName, (char *, int, ayf_cu_device))                                  \
    X(DRIVER, ayf_cu_result, cuDeviceGetAttribute, (int *, ayf_cu_attribute, ayf_cu_device))                 \
    X(DRIVER, ayf_cu_result, cuDeviceTotalMem_v2, (size_t *, ayf_cu_device))                                 \
    X(DRIVER, ayf_cu_result, cuDevicePrimaryCtxRetain, (ayf_cu_context *, ayf_cu_device))                    \
    X(DRIVER, ayf_cu_result, cuDevicePrimaryCtxRelease_v2, (ayf_cu_device))                                  \
    X(DRIVER, ayf_cu_result, cuCtxSetCurrent, (ayf_cu_context))                                              \
    X(DRIVER, ayf_cu_result, cuMemGetInfo_v2, (size_t *, size_t *))                                          \
    X(DRIVER, ayf_cu_result, cuMemAlloc_v2, (ayf_cu_pointer *, size_t))                                      \
    X(DRIVER, ayf_cu_result, cuMemFree_v2, (ayf_cu_pointer))                                                 \
    X(DRIVER, ayf_cu_result, cuMemcpyHtoDAsync_v2, (ayf_cu_pointer, const void *, size_t, ayf_cu_stream))    \
    X(DRIVER, ayf_cu_result, cuMemcpyDtoHAsync_v2, (void *, ayf_cu_pointer, size_t, ayf_cu_stream))          \
    X(DRIVER, ayf_cu_result, cuMemcpyDtoDAsync_v2, (ayf_cu_pointer, ayf_cu_pointer, size_t, ayf_cu_stream))  \
    X(DRIVER, ayf_cu_result, cuMemsetD8Async, (ayf_cu_pointer, unsigned char, size_t, ayf_cu_stream))        \
    X(DRIVER, ayf_cu_result, cuMemsetD16Async, (ayf_cu_pointer, unsigned short, size_t, ayf_cu_stream))      \
    X(DRIVER, ayf_cu_result, cuStreamCreate, (ayf_cu_stream *, unsigned))                                    \
    X(DRIVER, ayf_cu_result, cuStreamDestroy_v2, (ayf_cu_stream))                                            \
    X(DRIVER, ayf_cu_result, cuStreamSynchronize, (ayf_cu_stream))                                           \
    X(DRIVER, ayf_cu_result, cuStreamBeginCapture_v2, (ayf_cu_stream, ayf_cu_capture_mode))                  \
    X(DRIVER, ayf_cu_result, cuStreamEndCapture, (ayf_cu_stream, ayf_cu_graph *))                            \
    X(DRIVER, ayf_cu_result, cuGraphInstantiateWithFlags,                                                    \
      (ayf_cu_graph_exec *, ayf_cu_graph, unsigned long long))                                               \
    X(DRIVER, ayf_cu_result, cuGraphDestroy, (ayf_cu_graph))                                                 \
    X(DRIVER, ayf_cu_result, cuGraphLaunch, (ayf_cu_graph_exec, ayf_cu_stream))                              \
    X(DRIVER, ayf_cu_result, cuGraphExecDestroy, (ayf_cu_graph_exec))                                        \
    X(DRIVER, ayf_cu_result, cuModuleLoadData, (ayf_cu_module *, const void *))                              \
    X(DRIVER, ayf_cu_result, cuModuleUnload, (ayf_cu_module))                                                \
    X(DRIVER, ayf_cu_result, cuModuleGetFunction, (ayf_cu_function *, ayf_cu_module, const char *))          \
    X(DRIVER, ayf_cu_result, cuLaunchKernel,                                                                 \
      (ayf_cu_function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, ayf_cu_stream, \
       void **, void **))                                                                                    \
    X(NVRTC, const char *, nvrtcGetErrorString, (ayf_nvrtc_result))                                          \
    X(NVRTC, ayf_nvrtc_result, nvrtcVersion, (int *, int *))                                                 \
    X(NVRTC, ayf_nvrtc_result, nvrtcGetNumSupportedArchs, (int *))                                           \
    X(NVRTC, ayf_nvrtc_result, nvrtcGetSupportedArchs, (int *))                                              \
    X(NVRTC, ayf_nvrtc_result, nvrtcCreateProgram,                                                           \
      (ayf_nvrtc_program *, const char *, const char *, int, const char *const *, const char *const *))      \
    X(NVRTC, ayf_nvrtc_result, nvrtcDestroyProgram, (ayf_nvrtc_program *))                                   \
    X(NVRTC, ayf_nvrtc_result, nvrtcCompileProgram, (ayf_nvrtc_program, int, const char *const *))           \
    X(NVRTC, ayf_nvrtc_result, nvrtcGetProgramLogSize, (ayf_nvrtc_program, size_t *))                        \
    X(NVRTC, ayf_nvrtc_result, nvrtcGetProgramLog, (ayf_nvrtc_program, char *))                              \
    X(NVRTC, ayf_nvrtc_result, nvrtcGetCUBINSize, (ayf_nvrtc_program, size_t *))                             \
    X(NVRTC, ayf_nvrtc_result, nvrtcGetCUBIN, (ayf_nvrtc_program, char *))                                   \
    X(NVRTC, ayf_nvrtc_result, nvrtcGetPTXSize, (ayf_nvrtc_program, size_t *))                               \
    X(NVRTC, ayf_nvrtc_result, nvrtcGetPTX, (ayf_nvrtc_program, char *))                                     \
    X(CUDNN, size_t, cudnnGetVersion, (void))                                                                \
    X(CUDNN, const char *, cudnnGetErrorString, (ayf_cudnn_status))                                          \
    X(CUDNN, void, cudnnGetLastErrorString, (char *, size_t))                                                \
    X(CUDNN, ayf_cudnn_status, cudnnCreate, (ayf_cudnn_handle *))                                            \
    X(CUDNN, ayf_cudnn_status, cudnnDestroy, (ayf_cudnn_handle))                                             \
    X(CUDNN, ayf_cudnn_status, cudnnSetStream, (ayf_cudnn_handle, ayf_cu_stream))                            \
    X(CUDNN, ayf_cudnn_status, cudnnBackendCreateDescriptor, (ayf_cudnn_kind, ayf_cudnn_descriptor *))       \
    X(CUDNN, ayf_cudnn_status, cudnnBackendDestroyDescriptor, (ayf_cudnn_descriptor))                        \
    X(CUDNN, ayf_cudnn_status, cudnnBackendFinalize, (ayf_cudnn_descriptor))                                 \
    X(CUDNN, ayf_cudnn_status, cudnnBackendSetAttribute,                                                     \
      (ayf_cudnn_descriptor, ayf_cudnn_name, ayf_cudnn_type, int64_t, const void *))                         \
    X(CUDNN, ayf_cudnn_status, cudnnBackendGetAttribute,                                                     \
      (ayf_cudnn_descriptor, ayf_cudnn_name, ayf_cudnn_type, int64_t, int64_t *, void *))                    \
    X(CUDNN, ayf_cudnn_status, cudnnBackendExecute,                                                          \
      (ayf_cudnn_handle, ayf_cudnn_descriptor, ayf_cudnn_descriptor))                                        \
    X(LT, size_t, cublasLtGetVersion, (void))                                                                \
    X(LT, const char *, cublasLtGetStatusString, (ayf_lt_status))                                            \
    X(LT, ayf_lt_status, cublasLtCreate, (ayf_lt_handle *))                                                  \
    X(LT, ayf_lt_status, cublasLtDestroy, (ayf_lt_handle))                                                   \
    X(LT, ayf_lt_status, cublasLtMatmulDescCreate, (ayf_lt_product *, ayf_lt_compute, ayf_lt_data))          \
    X(LT, ayf_lt_status, cublasLtMatmulDescDestroy, (ayf_lt_product))                                        \
    X(LT, ayf_lt_status, cublasLtMatmulDescSetAttribute,                                                     \
      (ayf_lt_product, ayf_lt_product_name, const void *, size_t))                                           \
    X(LT, ayf_lt_status, cublasLtMatrixLayoutCreate,                                                         \
      (ayf_lt_layout *, ayf_lt_data, uint64_t, uint64_t, int64_t))                                           \
    X(LT, ayf_lt_status, cublasLtMatrixLayoutDestroy, (ayf_lt_layout))                                       \
    X(LT, ayf_lt_status, cublasLtMatrixLayoutSetAttribute,                                                   \
      (ayf_lt_layout, ayf_lt_layout_name, const void *, size_t))                                             \
    X(LT, ayf_lt_status, cublasLtMatmulPreferenceCreate, (ayf_lt_preference *))                              \
    X(LT, ayf_lt_status, cublasLtMatmulPreferenceDestroy, (ayf_lt_preference))                               \
    X(LT, ayf_lt_status, cublasLtMatmulPreferenceSetAttribute,                                               \
      (ayf_lt_preference, ayf_lt_preference_name, const void *, size_t))                                     \
    X(LT, ayf_lt_status, cublasLtMatmulAlgoGetHeuristic,                                                     \
      (ayf_lt_handle, ayf_lt_product, ayf_lt_layout, ayf_lt_layout, ayf_lt_layout, ayf_lt_layout,            \
       ayf_lt_preference, int, ayf_lt_heuristic *, int *))                                                   \
    X(LT, ayf_lt_status, cublasLtMatmul,                                                                     \
      (ayf_lt_handle, ayf_lt_product, const void *, const void *, ayf_lt_layout, const void *,               \
       ayf_lt_layout, const void *, const void *, ayf_lt_layout, void *, ayf_lt_layout,                      \
       const ayf_lt_algorithm *, void *, size_t, ayf_cu_stream))                                             \
    X(NCCL, const char *, ncclGetErrorString, (ayf_nccl_result))                                             \
    X(NCCL, ayf_nccl_result, ncclGetUniqueId, (ayf_nccl_id *))                                               \
    X(NCCL, ayf_nccl_result, ncclCommInitRank, (ayf_nccl_comm *, int, ayf_nccl_id, int))                     \
    X(NCCL, ayf_nccl_result, ncclCommDestroy, (ayf_nccl_comm))                                               \
    X(NCCL, ayf_nccl_result, ncclGroupStart, (void))                                                         \
    X(NCCL, ayf_nccl_result, ncclGroupEnd, (void))                                                           \
    X(NCCL, ayf_nccl_result, ncclAllReduce,                                                                  \
      (const void *, void *, size_t, ayf_nccl_type, ayf_nccl_op, ayf_nccl_comm, ayf_cu_stream))

/* Y(name, value): constants, which may not be macros of NVIDIA's. */
#define AYF_CUDA_CONSTANTS(Y)                                                                                \
    Y(CUDA_SUCCESS, 0)                                                                                       \
    Y(CUDA_ERROR_OUT_OF_MEMORY, 2)                                                                           \
    Y(CUDA_ERROR_STUB_LIBRARY, 34)                                                                           \
    Y(CUDA_ERROR_NO_DEVICE, 100)                                                                             \
    Y(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222)                                                               \
    Y(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803)                                                                \
    Y(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)                                                      \
    Y(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)                                                      \
    Y(CU_STREAM_NON_BLOCKING, 1)                                                                             \
    Y(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, 1)                                                                \
    Y(NVRTC_SUCCESS, 0)                                                                                      \
    Y(NVRTC_ERROR_COMPILATION, 6)                                                                            \
    Y(CUDNN_STATUS_SUCCESS, 0)                                                                               \
    Y(CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH, 1002)                                                        \
    Y(CUDNN_DATA_FLOAT, 0)                                                                                   \
    Y(CUDNN_DATA_BFLOAT16, 9)                                                                                \
    Y(CUDNN_CROSS_CORRELATION, 1)                                                                            \
    Y(CUDNN_HEUR_MODE_A, 3)                                                                                  \
    Y(CUDNN_HEUR_MODE_FALLBACK, 2)                                                                           \
    Y(CUDNN_NUMERICAL_NOTE_TENSOR_CORE, 0)                                                                   \
    Y(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, 1)                                                           \
    Y(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, 2)                                                   \
    Y(CUDNN_NUMERICAL_NOTE_FFT, 3)                                                                           \
    Y(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, 4)                                                              \
    Y(CUDNN_NUMERICAL_NOTE_WINOGRAD, 5)                                                                      \
    Y(CUDNN_NUMERICAL_NOTE_TYPE_COUNT, 10)                                                                   \
    Y(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION, 0)                                                            \
    Y(CUDNN_TYPE_HANDLE, 0)                                                                                  \
    Y(CUDNN_TYPE_DATA_TYPE, 1)                                                                               \
    Y(CUDNN_TYPE_INT64, 3)                                                                                   \
    Y(CUDNN_TYPE_FLOAT, 4)                                                                                   \
    Y(CUDNN_TYPE_VOID_PTR, 6)                                                                                \
    Y(CUDNN_TYPE_CONVOLUTION_MODE, 7)                                                                        \
    Y(CUDNN_TYPE_HEUR_MODE, 8)                                                                               \
    Y(CUDNN_TYPE_NUMERICAL_NOTE, 11)                                                                         \
    Y(CUDNN_TYPE_BACKEND_DESCRIPTOR, 15)                                                                     \
    Y(CUDNN_TYPE_BEHAVIOR_NOTE, 19)                                                                          \
    Y(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, 1)                                                               \
    Y(CUDNN_BACKEND_ENGINE_DESCRIPTOR, 2)                                                                    \
    Y(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, 3)                                                                 \
    Y(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, 4)                                                                \
    Y(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, 5)                                                            \
    Y(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, 10)                                            \
    Y(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, 11)                                    \
    Y(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, 12)                                      \
    Y(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, 15)                                                           \
    Y(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, 16)                                                             \
    Y(CUDNN_BACKEND_TENSOR_DESCRIPTOR, 17)                                                                   \
    Y(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, 100)                                                                 \
    Y(CUDNN_ATTR_CONVOLUTION_CONV_MODE, 101)                                                                 \
    Y(CUDNN_ATTR_CONVOLUTION_DILATIONS, 102)                                                                 \
    Y(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 103)                                                            \
    Y(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 104)                                                             \
    Y(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 105)                                                              \
    Y(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 106)                                                              \
    Y(CUDNN_ATTR_ENGINEHEUR_MODE, 200)                                                                       \
    Y(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, 201)                                                            \
    Y(CUDNN_ATTR_ENGINEHEUR_RESULTS, 202)                                                                    \
    Y(CUDNN_ATTR_ENGINECFG_ENGINE, 300)                                                                      \
    Y(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, 400)                                                                 \
    Y(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 401)                                                          \
    Y(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 402)                                                         \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 700)                                                   \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 701)                                                    \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, 702)                                               \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, 703)                                                       \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, 704)                                                       \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, 705)                                                       \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 706)                                                  \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 707)                                                   \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, 708)                                              \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, 709)                                                      \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, 710)                                                     \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, 711)                                                     \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 712)                                                \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 713)                                                 \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, 714)                                            \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, 715)                                                   \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, 716)                                                    \
    Y(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, 717)                                                   \
    Y(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, 800)                                                                 \
    Y(CUDNN_ATTR_OPERATIONGRAPH_OPS, 801)                                                                    \
    Y(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 900)                                                                 \
    Y(CUDNN_ATTR_TENSOR_DATA_TYPE, 901)                                                                      \
    Y(CUDNN_ATTR_TENSOR_DIMENSIONS, 902)                                                                     \
    Y(CUDNN_ATTR_TENSOR_STRIDES, 903)                                                                        \
    Y(CUDNN_ATTR_TENSOR_UNIQUE_ID, 906)                                                                      \
    Y(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, 1000)                                                              \
    Y(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, 1001)                                                           \
    Y(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, 1003)                                                               \
    Y(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 1301)                                                                  \
    Y(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, 1303)                                                                \
    Y(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, 1305)                                                                 \
    Y(CUBLAS_STATUS_SUCCESS, 0)                                                                              \
    Y(CUBLAS_OP_N, 0)                                                                                        \
    Y(CUBLAS_OP_T, 1)                                                                                        \
    Y(CUBLAS_COMPUTE_32F, 68)                                                                                \
    Y(CUDA_R_32F, 0)                                                                                         \
    Y(CUDA_R_16BF, 14)                                                                                       \
    Y(CUBLASLT_MATMUL_DESC_TRANSA, 3)                                                                        \
    Y(CUBLASLT_MATMUL_DESC_TRANSB, 4)                                                                        \
    Y(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 5)                                                                 \
    Y(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 6)                                                        \
    Y(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1)                                                           \
    Y(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 3)                                                         \
    Y(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5)                                                         \
    Y(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 6)                                                         \
    Y(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 7)                                                         \
    Y(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8)                                                         \
    Y(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 2)                                                             \
    Y(ncclSuccess, 0)                                                                                        \
    Y(ncclInvalidUsage, 5)                                                                                   \
    Y(ncclSum, 0)                                                                                            \
    Y(ncclFloat32, 7)

#ifndef AYF_CUDA_TYPES
enum {
#define AYF_CONSTANT(name, value) name = value,
    AYF_CUDA_CONSTANTS(AYF_CONSTANT)
#undef AYF_CONSTANT
};
#endif

typedef enum ayf_cuda_library {
    AYF_CUDA_DRIVER,
    AYF_CUDA_NVRTC,
    AYF_CUDA_LT,
    AYF_CUDA_CUDNN,
    AYF_CUDA_NCCL, /* opened for runs of several processes only */
    AYF_CUDA_LIBRARIES
} ayf_cuda_library;

typedef struct ayf_cuda_api {
#define AYF_FUNCTION(library, result, name, arguments) result(*name) arguments;
    AYF_CUDA_FUNCTIONS(AYF_FUNCTION)
#undef AYF_FUNCTION
    void *library[AYF_CUDA_LIBRARIES]; /* as dlopen() gave it */
} ayf_cuda_api;

#endif
