//! Whether a call stack reaches the function that begins a program or a thread.
//!
//! Start code is hand-written in part: it may have neither unwinding information nor a frame pointer
//! (musl's and Go's all, glibc's without the C library's own tables), so a walk ends there with no mark
//! of the end, though nothing is missing.

use super::model::FrameReport;
use super::start_code::is_start_code;
use memtrace_common::wire::StackEnd;

/// Where Go calls C: it goes on to another stack, the system's, on which this is the first function.
/// The goroutine's own callers are on the goroutine's.
const GO_CALLS_C: &str = "runtime.asmcgocall";

/// How a stack ended, given how its walk did and the names of its outermost frame (inlined functions
/// first). No names: it is not known, or it is the only frame.
pub(super) fn end(walk: StackEnd, names: &[FrameReport]) -> StackEnd {
    let name = names.last().and_then(|frame| frame.function.as_deref());
    let reached = name.is_some_and(|name| is_start_code(name) || is_go_calling_c(name));
    // Anywhere but in start code a caller that is not known hides others.
    let is_unknown =
        matches!(walk, StackEnd::NoFramePointer | StackEnd::NoTable | StackEnd::NoTableYet);
    if is_unknown && reached { StackEnd::Complete } else { walk }
}

fn is_go_calling_c(name: &str) -> bool {
    name.strip_suffix(".abi0").unwrap_or(name) == GO_CALLS_C
}

#[cfg(test)]
mod tests {
    use super::{FrameReport, StackEnd, end};

    #[test]
    fn start_code_ends_a_stack() {
        for name in ["__libc_start_call_main", "runtime.goexit", "runtime.asmcgocall.abi0"] {
            let whole = [FrameReport::called(name)];
            assert_eq!(end(StackEnd::NoFramePointer, &whole), StackEnd::Complete);
            assert_eq!(end(StackEnd::NoTable, &whole), StackEnd::Complete);
            assert_eq!(end(StackEnd::NoTableYet, &whole), StackEnd::Complete);
            assert_eq!(end(StackEnd::Unreadable, &whole), StackEnd::Unreadable);
        }
    }

    #[test]
    fn other_code_does_not() {
        let sorted = [FrameReport::called("qsort")];
        assert_eq!(end(StackEnd::NoFramePointer, &sorted), StackEnd::NoFramePointer);
        assert_eq!(end(StackEnd::NoTable, &sorted), StackEnd::NoTable);
        let nameless = [FrameReport::nameless()];
        assert_eq!(end(StackEnd::NoFramePointer, &nameless), StackEnd::NoFramePointer);
        assert_eq!(end(StackEnd::NoFramePointer, &[]), StackEnd::NoFramePointer);
    }
}
