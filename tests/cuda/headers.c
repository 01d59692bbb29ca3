/* Whether backend/cuda/api.h says what NVIDIA's headers say: it does not compile where a type, an argument or a number
 * differs. */
#include <cuda.h>
#include <cudnn.h>
#include <cublasLt.h>
#include <nccl.h>
#include <nvrtc.h>

#define AYF_CUDA_TYPES
typedef CUresult ayf_cu_result;
typedef CUdevice ayf_cu_device;
typedef CUdevice_attribute ayf_cu_attribute;
typedef CUstreamCaptureMode ayf_cu_capture_mode;
typedef CUcontext ayf_cu_context;
typedef CUstream ayf_cu_stream;
typedef CUmodule ayf_cu_module;
typedef CUfunction ayf_cu_function;
typedef CUgraph ayf_cu_graph;
typedef CUgraphExec ayf_cu_graph_exec;
typedef CUdeviceptr ayf_cu_pointer;
typedef nvrtcResult ayf_nvrtc_result;
typedef nvrtcProgram ayf_nvrtc_program;
typedef cudnnStatus_t ayf_cudnn_status;
typedef cudnnBackendDescriptorType_t ayf_cudnn_kind;
typedef cudnnBackendAttributeName_t ayf_cudnn_name;
typedef cudnnBackendAttributeType_t ayf_cudnn_type;
typedef cudnnHandle_t ayf_cudnn_handle;
typedef cudnnBackendDescriptor_t ayf_cudnn_descriptor;
typedef cublasStatus_t ayf_lt_status;
typedef cublasComputeType_t ayf_lt_compute;
typedef cudaDataType_t ayf_lt_data;
typedef cublasLtMatmulDescAttributes_t ayf_lt_product_name;
typedef cublasLtMatrixLayoutAttribute_t ayf_lt_layout_name;
typedef cublasLtMatmulPreferenceAttributes_t ayf_lt_preference_name;
typedef cublasLtHandle_t ayf_lt_handle;
typedef cublasLtMatmulDesc_t ayf_lt_product;
typedef cublasLtMatrixLayout_t ayf_lt_layout;
typedef cublasLtMatmulPreference_t ayf_lt_preference;
typedef cublasLtMatmulAlgo_t ayf_lt_algorithm;
typedef cublasLtMatmulHeuristicResult_t ayf_lt_heuristic;
typedef ncclResult_t ayf_nccl_result;
typedef ncclDataType_t ayf_nccl_type;
typedef ncclRedOp_t ayf_nccl_op;
typedef ncclComm_t ayf_nccl_comm;
typedef ncclUniqueId ayf_nccl_id;
#include "backend/cuda/api.h"

/* NVIDIA's header names the versions that the backend asks for by macros. */
#define AYF_FUNCTION(library, result, name, arguments)                                                       \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&name), __typeof__(((ayf_cuda_api *)0)->name)),   \
                   #name " has other arguments");
AYF_CUDA_FUNCTIONS(AYF_FUNCTION)

#define AYF_CONSTANT(name, value) _Static_assert((int)(name) == (value), #name " is another number");
AYF_CUDA_CONSTANTS(AYF_CONSTANT)
