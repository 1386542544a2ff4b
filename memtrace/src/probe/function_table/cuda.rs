//! CUDA's allocations, of the runtime (`cuda_runtime_api.h`) and of the driver (`cuda.h`).
//!
//! All of them store the result through their first argument and return 0 for success. A call of the runtime
//! ends in one of the driver, in another library: the latter is nested in the former.

use super::Row;
use super::rows::{allocate, free};
use memtrace_common::function::FunctionId;
use memtrace_common::site::Argument;

const fn new(name: &'static str, function: FunctionId, size: Argument) -> Row {
    Row { pointer: 0, result_by_pointer: true, ..allocate(name, function, size).nesting() }
}

/// Rows of `width` bytes, `height` of them. Each is as long as the driver likes (`pitch`); what was asked for is
/// counted, as it is elsewhere.
const fn pitched(name: &'static str, function: FunctionId) -> Row {
    Row { count: 3, ..new(name, function, 2) }
}

const fn release(name: &'static str, function: FunctionId) -> Row {
    free(name, function).nesting()
}

/// The runtime's. With a stream of its own for each thread (`--default-stream per-thread`) programs call the
/// functions that end in `_ptsz`.
pub(super) const RUNTIME: &[Row] = &[
    new("cudaMalloc", FunctionId::CUDA_MALLOC, 1),
    new("cudaMallocManaged", FunctionId::CUDA_MALLOC_MANAGED, 1),
    pitched("cudaMallocPitch", FunctionId::CUDA_MALLOC_PITCH),
    new("cudaMallocAsync", FunctionId::CUDA_MALLOC_ASYNC, 1),
    new("cudaMallocAsync_ptsz", FunctionId::CUDA_MALLOC_ASYNC, 1),
    new("cudaMallocFromPoolAsync", FunctionId::CUDA_MALLOC_FROM_POOL_ASYNC, 1),
    new("cudaMallocFromPoolAsync_ptsz", FunctionId::CUDA_MALLOC_FROM_POOL_ASYNC, 1),
    new("cudaMallocHost", FunctionId::CUDA_MALLOC_HOST, 1),
    new("cudaHostAlloc", FunctionId::CUDA_HOST_ALLOC, 1),
    release("cudaFree", FunctionId::CUDA_FREE),
    release("cudaFreeAsync", FunctionId::CUDA_FREE_ASYNC),
    release("cudaFreeAsync_ptsz", FunctionId::CUDA_FREE_ASYNC),
    release("cudaFreeHost", FunctionId::CUDA_FREE_HOST),
];

/// The runtime's that are left alone.
pub(super) const RUNTIME_LEFT_ALONE: &[(&str, &str)] = &[
    ("cudaMalloc3D", "takes its size by value on the stack; what it calls of the driver is seen"),
    ("cudaMallocArray", ARRAY),
    ("cudaMalloc3DArray", ARRAY),
    ("cudaMallocMipmappedArray", ARRAY),
    ("cudaHostRegister", PINNED),
];

/// The driver's. Names that end in `_v2` are what `cuda.h` has made of those without since CUDA 3.2.
pub(super) const DRIVER: &[Row] = &[
    new("cuMemAlloc_v2", FunctionId::CU_MEM_ALLOC, 1),
    new("cuMemAllocManaged", FunctionId::CU_MEM_ALLOC_MANAGED, 1),
    pitched("cuMemAllocPitch_v2", FunctionId::CU_MEM_ALLOC_PITCH),
    new("cuMemAllocAsync", FunctionId::CU_MEM_ALLOC_ASYNC, 1),
    new("cuMemAllocAsync_ptsz", FunctionId::CU_MEM_ALLOC_ASYNC, 1),
    new("cuMemAllocFromPoolAsync", FunctionId::CU_MEM_ALLOC_FROM_POOL_ASYNC, 1),
    new("cuMemAllocFromPoolAsync_ptsz", FunctionId::CU_MEM_ALLOC_FROM_POOL_ASYNC, 1),
    new("cuMemAllocHost_v2", FunctionId::CU_MEM_ALLOC_HOST, 1),
    new("cuMemHostAlloc", FunctionId::CU_MEM_HOST_ALLOC, 1),
    release("cuMemFree_v2", FunctionId::CU_MEM_FREE),
    release("cuMemFreeAsync", FunctionId::CU_MEM_FREE_ASYNC),
    release("cuMemFreeAsync_ptsz", FunctionId::CU_MEM_FREE_ASYNC),
    release("cuMemFreeHost", FunctionId::CU_MEM_FREE_HOST),
];

/// The driver's that are left alone.
pub(super) const DRIVER_LEFT_ALONE: &[(&str, &str)] = &[
    ("cuMemAlloc", OLD),
    ("cuMemAllocPitch", OLD),
    ("cuMemAllocHost", OLD),
    ("cuMemFree", OLD),
    ("cuArrayCreate_v2", ARRAY),
    ("cuArray3DCreate_v2", ARRAY),
    ("cuMipmappedArrayCreate", ARRAY),
    (
        "cuMemCreate",
        "gives a handle of physical memory, which programs map where they like; it lives until the handle is given \
         back and the last mapping is gone",
    ),
    ("cuMemHostRegister_v2", PINNED),
    ("cuMemImportFromShareableHandle", OTHERS),
    ("cuIpcOpenMemHandle_v2", OTHERS),
];

const ARRAY: &str = "gives an opaque array, whose size its description hides";
const PINNED: &str = "pins memory that is there already, and is counted where it came from";
const OTHERS: &str = "opens memory that another process has allocated";
const OLD: &str = "the interface from before CUDA 3.2, with sizes and addresses of 32 bits";
