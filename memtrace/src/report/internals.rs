//! Which frames say nothing of the program: layers between it and the allocator, and start code.
//!
//! Only an unbroken row of them at either end of a stack counts, so that a program's own function in
//! between is never lost, and the first frame that is left is the caller.

use super::model::FrameReport;
use super::start_code::is_start_code;

/// How a function is recognised, by its short name.
enum Rule {
    /// It is this.
    Is(&'static str),
    /// It begins so.
    Begins(&'static str),
    /// It ends so.
    Ends(&'static str),
}
use Rule::{Begins, Ends, Is};

/// Between a program and its allocator.
const ALLOCATION: &[Rule] = &[
    // C: the allocators' own entries, where one calls the other (glibc, musl, jemalloc, mimalloc,
    // tcmalloc).
    Is("malloc"),
    Is("calloc"),
    Is("realloc"),
    Is("reallocarray"),
    Is("memalign"),
    Is("aligned_alloc"),
    Is("posix_memalign"),
    Is("_int_malloc"),
    Is("_int_realloc"),
    Is("_int_memalign"),
    Is("_mid_memalign"),
    Is("sysmalloc"),
    Begins("__libc_malloc"),
    Begins("__libc_calloc"),
    Begins("__libc_realloc"),
    Begins("__libc_memalign"),
    Begins("__libc_alloc_"),
    Begins("je_malloc"),
    Begins("je_calloc"),
    Begins("je_realloc"),
    Begins("je_aligned_alloc"),
    Begins("mi_malloc"),
    Begins("mi_calloc"),
    Begins("mi_zalloc"),
    Begins("mi_realloc"),
    Begins("mi_heap_malloc"),
    Begins("tc_malloc"),
    Begins("tc_calloc"),
    Begins("tc_realloc"),
    Begins("tc_new"),
    Begins("tcmalloc::"),
    // C: wrappers that end the program when memory is short (gnulib's xalloc.h, GLib's gmem.h).
    Is("xmalloc"),
    Is("xcalloc"),
    Is("xrealloc"),
    Is("xzalloc"),
    Is("xnmalloc"),
    Is("xnrealloc"),
    Is("xreallocarray"),
    Is("g_malloc"),
    Is("g_malloc0"),
    Is("g_malloc_n"),
    Is("g_malloc0_n"),
    Is("g_try_malloc"),
    Is("g_try_malloc0"),
    Is("g_realloc"),
    Is("g_realloc_n"),
    // C: what programs count their memory with (perl's util.c, redis' zmalloc.c).
    Is("Perl_safesysmalloc"),
    Is("Perl_safesyscalloc"),
    Is("Perl_safesysrealloc"),
    Is("zmalloc"),
    Is("zmalloc_usable"),
    Is("zcalloc"),
    Is("zcalloc_num"),
    Is("zcalloc_usable"),
    Is("zrealloc"),
    Is("zrealloc_usable"),
    Begins("ztrymalloc"),
    Begins("ztrycalloc"),
    Begins("ztryrealloc"),
    // C++: operators, and the standard allocators (libstdc++, libc++).
    Is("operator new"),
    Is("operator new[]"),
    Begins("operator new("),
    Begins("operator new[]("),
    Is("std::__new_allocator<…>::allocate"),
    Is("__gnu_cxx::new_allocator<…>::allocate"),
    Is("std::allocator<…>::allocate"),
    Is("std::allocator_traits<…>::allocate"),
    Is("std::__allocate_guarded<…>"),
    Begins("std::__1::__libcpp_allocate"),
    Begins("std::__1::__libcpp_operator_new"),
    Is("std::__1::allocator<…>::allocate"),
    Is("std::__1::allocator_traits<…>::allocate"),
    // Rust: shims, the default allocators, growth of vectors.
    Begins("__rust_alloc"),
    Begins("__rust_realloc"),
    Begins("__rdl_"),
    Begins("__rg_"),
    Begins("__rustc::__r"),
    Begins("alloc::alloc::"),
    Begins("<alloc::alloc::"),
    Begins("alloc::raw_vec::"),
    Begins("<alloc::raw_vec::"),
    Begins("std::alloc::"),
    Begins("<std::alloc::System as "),
    Begins("std::sys::alloc::"),
    Begins("std::sys::pal::unix::alloc::"),
];

/// What runs before a program's or a thread's first function, besides what [`is_start_code`] knows.
const START: &[Rule] = &[
    // C: what begins threads in older C libraries.
    Is("clone"),
    Is("__clone"),
    // C++: std::thread's.
    Is("execute_native_thread_routine"),
    // Rust: before main and before a thread's closure.
    Begins("std::rt::"),
    Begins("std::sys::backtrace::__rust_begin_short_backtrace"),
    Begins("std::sys_common::backtrace::__rust_begin_short_backtrace"),
    Begins("std::panicking::"),
    Begins("std::panic::catch_unwind"),
    Begins("core::ops::function::FnOnce::call_once"),
    Begins("core::ops::function::impls::<impl core::ops::function::FnOnce"),
    Ends("as core::ops::function::FnOnce<…>>::call_once"),
    Ends("as core::ops::function::FnOnce<()>>::call_once"),
    Begins("<core::panic::unwind_safe::AssertUnwindSafe<…> as "),
    Begins("std::thread::"),
    Begins("std::sys::thread::"),
    Begins("std::sys::pal::unix::thread::"),
];

/// Marks the internal ones of a stack's frames (the allocator's caller first). If all are, none is
/// marked: what is there is all that is known.
pub(super) fn marked(mut frames: Vec<FrameReport>) -> Vec<FrameReport> {
    let inner = frames.iter().take_while(|frame| obeys(frame, ALLOCATION)).count();
    let outer = (inner..frames.len()).rev().take_while(|at| is_start(&frames, *at)).count();
    let left = frames.len() - outer;
    if inner < left {
        for (at, frame) in frames.iter_mut().enumerate() {
            frame.internal = !(inner..left).contains(&at);
        }
    }
    frames
}

fn obeys(frame: &FrameReport, rules: &[Rule]) -> bool {
    let name = frame.short.as_deref().or(frame.function.as_deref());
    name.is_some_and(|name| {
        rules.iter().any(|rule| match rule {
            Is(whole) => name == *whole,
            Begins(beginning) => name.starts_with(beginning),
            Ends(end) => name.ends_with(end),
        })
    })
}

/// Start code. The `main` that Rust makes is, too: it does nothing but call the runtime. So is what
/// calls libc's start code, in a stripped program without a name: only `_start` does.
fn is_start(frames: &[FrameReport], at: usize) -> bool {
    let inner = at.checked_sub(1).and_then(|inner| frames.get(inner)?.function.as_deref());
    let name = frames[at].function.as_deref();
    let rust_main = name == Some("main") && inner.is_some_and(|name| name.starts_with("std::rt::"));
    let calls_libc = inner.is_some_and(|name| name.starts_with("__libc_start_main"));
    let is_known = name.is_some_and(is_start_code);
    rust_main || is_known || name.is_none() && calls_libc || obeys(&frames[at], START)
}

#[cfg(test)]
mod tests {
    use super::marked;
    use crate::report::model::FrameReport;

    fn frame(name: &str) -> FrameReport {
        if name == "?" { FrameReport::nameless() } else { FrameReport::called(name) }
    }

    /// The names that are left, between as many internal ones.
    fn left(names: &[&str]) -> Vec<String> {
        let frames = marked(names.iter().map(|name| frame(name)).collect());
        assert_eq!(frames.len(), names.len(), "no frame is lost");
        let kept = frames.into_iter().filter(|frame| !frame.internal);
        kept.map(|frame| frame.function.unwrap_or_else(|| "?".to_owned())).collect()
    }

    #[test]
    fn both_ends_are_internal() {
        let c =
            ["xmalloc", "load", "main", "__libc_start_call_main", "__libc_start_main", "_start"];
        assert_eq!(left(&c), ["load", "main"]);
        let stripped = ["load", "?", "__libc_start_call_main", "__libc_start_main_impl", "?"];
        assert_eq!(
            left(&["ztrymalloc_usable_internal", "zmalloc_usable", "sdsnew", "main"]),
            ["sdsnew", "main"]
        );
        assert_eq!(left(&["Perl_safesysmalloc", "Perl_sv_grow", "main"]), ["Perl_sv_grow", "main"]);
        assert_eq!(left(&stripped), ["load", "?"]);
        assert_eq!(left(&["load", "?"]), ["load", "?"]);
        let cpp =
            ["operator new(unsigned long)", "__gnu_cxx::new_allocator<…>::allocate", "f", "main"];
        assert_eq!(left(&cpp), ["f", "main"]);
        let rust = [
            "__rust_alloc",
            "alloc::alloc::alloc",
            "<alloc::alloc::Global as core::alloc::Allocator>::grow",
            "<alloc::raw_vec::RawVecInner>::grow_amortized",
            "alloc::raw_vec::RawVec<…>::grow_one",
            "alloc::vec::Vec<…>::push",
            "thing::main",
            "core::ops::function::FnOnce::call_once",
            "std::sys::backtrace::__rust_begin_short_backtrace",
            "std::rt::lang_start::{{closure}}",
            "<&dyn core::ops::function::Fn<…> + Sync as core::ops::function::FnOnce<…>>::call_once",
            "std::panicking::catch_unwind::<…>",
            "std::panic::catch_unwind::<…>",
            "std::rt::lang_start_internal",
            "std::rt::lang_start",
            "main",
            "__libc_start_call_main",
        ];
        assert_eq!(left(&rust), ["alloc::vec::Vec<…>::push", "thing::main"]);
    }

    #[test]
    fn the_middle_never_is() {
        let names = ["strdup", "malloc", "_start", "xmalloc", "?"];
        assert_eq!(left(&names), names);
        assert_eq!(left(&["?", "operator new(unsigned long)", "main"]).len(), 3);
        assert_eq!(left(&["lang_start", "main"]), ["lang_start", "main"]);
    }

    #[test]
    fn something_is_always_left() {
        for names in [&["operator new(unsigned long)"][..], &["malloc", "_start"], &["_start"], &[]]
        {
            assert_eq!(left(names), names);
        }
    }
}
