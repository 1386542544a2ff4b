//! Numbers for the allocator functions, as they travel in records.
//!
//! Numbers below 64 are functions of the heap, those from 64 on are for memory of devices, and those from 128 on
//! are functions that the user describes.

/// An allocator function's number. Numbers are part of the recording format: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct FunctionId(pub u8);

/// What the blocks of a function are counted with.
///
/// A pool takes its memory from the heap or from the kernel: its blocks lie in blocks that are counted
/// already. A device's memory is no memory of the process at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BlockKind {
    /// The process's heap.
    Heap = 0,
    /// What a device's driver gives out: memory of the device, managed memory, and memory of the host that is
    /// pinned for the device. All of them have addresses in one space (CUDA C++ Programming Guide, "Unified
    /// Virtual Address Space").
    Device = 1,
    /// Functions that the user describes.
    UserDefined = 2,
}

impl FunctionId {
    /// The first number of a function for memory of devices.
    pub const FIRST_DEVICE: u8 = 64;
    /// The first number of a function that the user describes.
    pub const FIRST_USER_DEFINED: u8 = 128;

    /// What its blocks are counted with.
    #[must_use]
    #[inline(always)]
    pub const fn kind(self) -> BlockKind {
        match self.0 / Self::FIRST_DEVICE {
            0 => BlockKind::Heap,
            1 => BlockKind::Device,
            _ => BlockKind::UserDefined,
        }
    }

    /// Whether its blocks are memory of the host that is pinned for a device.
    #[must_use]
    pub const fn is_pinned_host(self) -> bool {
        matches!(
            self,
            Self::CUDA_MALLOC_HOST
                | Self::CUDA_HOST_ALLOC
                | Self::CU_MEM_ALLOC_HOST
                | Self::CU_MEM_HOST_ALLOC
        )
    }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $name:literal;)*) => {
        impl FunctionId {
            $($(#[$doc])* pub const $constant: Self = Self($number);)*

            /// The function's name as programmers write it; `"unknown"` for a number we do not know.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 { $($number => $name,)* _ => "unknown" }
            }

            /// The number of the function called `name`.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$constant),)* _ => None }
            }
        }
    };
}

functions! {
    /// No function: records that do not come from an allocator.
    NONE = 0, "none";
    /// C `malloc`.
    MALLOC = 1, "malloc";
    /// C `calloc`.
    CALLOC = 2, "calloc";
    /// C `realloc`.
    REALLOC = 3, "realloc";
    /// BSD/glibc `reallocarray`.
    REALLOCARRAY = 4, "reallocarray";
    /// POSIX `posix_memalign`.
    POSIX_MEMALIGN = 5, "posix_memalign";
    /// C11 `aligned_alloc` (glibc before 2.38 shares its address with `memalign`).
    ALIGNED_ALLOC = 6, "aligned_alloc";
    /// `memalign`.
    MEMALIGN = 7, "memalign";
    /// `valloc`.
    VALLOC = 8, "valloc";
    /// `pvalloc`.
    PVALLOC = 9, "pvalloc";
    /// C `free`.
    FREE = 10, "free";
    /// jemalloc `mallocx`.
    MALLOCX = 11, "mallocx";
    /// jemalloc `rallocx`.
    RALLOCX = 12, "rallocx";
    /// jemalloc `dallocx`.
    DALLOCX = 13, "dallocx";
    /// jemalloc `sdallocx`.
    SDALLOCX = 14, "sdallocx";
    /// jemalloc `xallocx` (resizes in place, returns the new size).
    XALLOCX = 15, "xallocx";
    /// C++ `operator new`, all forms, where it is no mere caller of `malloc`.
    OPERATOR_NEW = 16, "operator new";
    /// C++ `operator new[]`, likewise.
    OPERATOR_NEW_ARRAY = 17, "operator new[]";
    /// C++ `operator delete`, all forms, where it is no mere caller of `free`.
    OPERATOR_DELETE = 18, "operator delete";
    /// C++ `operator delete[]`, likewise.
    OPERATOR_DELETE_ARRAY = 19, "operator delete[]";
    /// C23 `free_sized`.
    FREE_SIZED = 20, "free_sized";
    /// C23 `free_aligned_sized`.
    FREE_ALIGNED_SIZED = 21, "free_aligned_sized";
    /// mimalloc `mi_zalloc` (zeroed).
    MI_ZALLOC = 22, "mi_zalloc";
    /// mimalloc `mi_mallocn` (count and size).
    MI_MALLOCN = 23, "mi_mallocn";
    /// mimalloc `mi_malloc_small`.
    MI_MALLOC_SMALL = 24, "mi_malloc_small";
    /// mimalloc `mi_zalloc_small`.
    MI_ZALLOC_SMALL = 25, "mi_zalloc_small";
    /// mimalloc `mi_reallocn` (count and size).
    MI_REALLOCN = 26, "mi_reallocn";
    /// mimalloc `mi_rezalloc` (zeroes what is new).
    MI_REZALLOC = 27, "mi_rezalloc";
    /// mimalloc `mi_recalloc` (count and size, zeroes what is new).
    MI_RECALLOC = 28, "mi_recalloc";
    /// CUDA runtime `cudaMalloc`.
    CUDA_MALLOC = 64, "cudaMalloc";
    /// CUDA runtime `cudaMallocManaged`.
    CUDA_MALLOC_MANAGED = 65, "cudaMallocManaged";
    /// CUDA runtime `cudaMallocPitch`.
    CUDA_MALLOC_PITCH = 66, "cudaMallocPitch";
    /// CUDA runtime `cudaMallocAsync`.
    CUDA_MALLOC_ASYNC = 67, "cudaMallocAsync";
    /// CUDA runtime `cudaMallocFromPoolAsync`.
    CUDA_MALLOC_FROM_POOL_ASYNC = 68, "cudaMallocFromPoolAsync";
    /// CUDA runtime `cudaMallocHost` (pinned memory of the host).
    CUDA_MALLOC_HOST = 69, "cudaMallocHost";
    /// CUDA runtime `cudaHostAlloc` (pinned memory of the host).
    CUDA_HOST_ALLOC = 70, "cudaHostAlloc";
    /// CUDA runtime `cudaFree`.
    CUDA_FREE = 71, "cudaFree";
    /// CUDA runtime `cudaFreeAsync`.
    CUDA_FREE_ASYNC = 72, "cudaFreeAsync";
    /// CUDA runtime `cudaFreeHost`.
    CUDA_FREE_HOST = 73, "cudaFreeHost";
    /// CUDA driver `cuMemAlloc`.
    CU_MEM_ALLOC = 74, "cuMemAlloc";
    /// CUDA driver `cuMemAllocManaged`.
    CU_MEM_ALLOC_MANAGED = 75, "cuMemAllocManaged";
    /// CUDA driver `cuMemAllocPitch`.
    CU_MEM_ALLOC_PITCH = 76, "cuMemAllocPitch";
    /// CUDA driver `cuMemAllocAsync`.
    CU_MEM_ALLOC_ASYNC = 77, "cuMemAllocAsync";
    /// CUDA driver `cuMemAllocFromPoolAsync`.
    CU_MEM_ALLOC_FROM_POOL_ASYNC = 78, "cuMemAllocFromPoolAsync";
    /// CUDA driver `cuMemAllocHost` (pinned memory of the host).
    CU_MEM_ALLOC_HOST = 79, "cuMemAllocHost";
    /// CUDA driver `cuMemHostAlloc` (pinned memory of the host).
    CU_MEM_HOST_ALLOC = 80, "cuMemHostAlloc";
    /// CUDA driver `cuMemFree`.
    CU_MEM_FREE = 81, "cuMemFree";
    /// CUDA driver `cuMemFreeAsync`.
    CU_MEM_FREE_ASYNC = 82, "cuMemFreeAsync";
    /// CUDA driver `cuMemFreeHost`.
    CU_MEM_FREE_HOST = 83, "cuMemFreeHost";
    /// A static probe by which a program tells of blocks that it samples itself: no function, but what such
    /// stacks lead to.
    OTEL_MEMORY_ALLOC = 59, "otel_memory:alloc";
    /// The system call `mmap`: no block of a heap, but the ledger of mappings names it as a function.
    MMAP = 60, "mmap";
    /// The system call `mremap`, likewise.
    MREMAP = 61, "mremap";
    /// The system call `brk`, likewise.
    BRK = 62, "brk";
    /// A first touch of a page, likewise.
    FAULT = 63, "page fault";
}

#[cfg(test)]
mod tests {
    use super::{BlockKind, FunctionId};

    #[test]
    fn kinds_are_ranges_of_numbers() {
        assert_eq!(FunctionId::NONE.kind(), BlockKind::Heap);
        assert_eq!(FunctionId(63).kind(), BlockKind::Heap);
        assert_eq!(FunctionId::CUDA_MALLOC.kind(), BlockKind::Device);
        assert_eq!(FunctionId(127).kind(), BlockKind::Device);
        assert_eq!(FunctionId(128).kind(), BlockKind::UserDefined);
        assert_eq!(FunctionId(255).kind(), BlockKind::UserDefined);
    }

    #[test]
    fn names_and_numbers_agree() {
        for number in (0..=28).chain(59..=62).chain(64..=83) {
            let function = FunctionId(number);
            assert_eq!(FunctionId::from_name(function.name()), Some(function));
        }
        assert_eq!(FunctionId(200).name(), "unknown");
        assert_eq!(FunctionId::from_name("strdup"), None);
    }
}
