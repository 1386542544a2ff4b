//! Whether a call stack reaches the function that begins a program or a thread.
//!
//! The C library's own start code has no frame pointers on most distributions, so a walk by frame
//! pointers ends there with no mark of the end, though nothing is missing but `_start`.

use super::model::FrameReport;
use memtrace_common::wire::StackEnd;

/// Functions that nothing but start code calls: glibc's (before and from 2.34), musl's, and what
/// begins threads in both.
const OUTERMOST: [&str; 8] = [
    "_start",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
    "libc_start_main_stage2",
    "start_thread",
    "clone3",
    "__clone3",
];

/// How a stack ended, given how its walk did and the names of its outermost frame (inlined functions
/// first). No names: it is not known, or it is the only frame.
pub(super) fn end(walk: StackEnd, names: &[FrameReport]) -> StackEnd {
    let reached = names
        .last()
        .and_then(|frame| frame.function.as_deref())
        .is_some_and(|name| OUTERMOST.contains(&name));
    // Anywhere but in start code a caller without frame pointers hides others.
    let by_pointers = matches!(walk, StackEnd::NoFramePointer | StackEnd::NoTableYet);
    if by_pointers && reached { StackEnd::Complete } else { walk }
}

#[cfg(test)]
mod tests {
    use super::{FrameReport, StackEnd, end};
    use crate::report::Place;

    fn frame(name: Option<&str>) -> FrameReport {
        FrameReport {
            function: name.map(str::to_owned),
            short: None,
            module: None,
            build_id: None,
            place: Place::Offset(1),
            file: None,
            line: None,
            inlined: false,
            internal: false,
            missing: None,
        }
    }

    #[test]
    fn start_code_ends_a_stack() {
        let whole = [frame(Some("__libc_start_call_main"))];
        assert_eq!(end(StackEnd::NoFramePointer, &whole), StackEnd::Complete);
        assert_eq!(end(StackEnd::NoTableYet, &whole), StackEnd::Complete);
        assert_eq!(end(StackEnd::Unreadable, &whole), StackEnd::Unreadable);
    }

    #[test]
    fn other_code_does_not() {
        let sorted = [frame(Some("qsort"))];
        assert_eq!(end(StackEnd::NoFramePointer, &sorted), StackEnd::NoFramePointer);
        let nameless = [frame(None)];
        assert_eq!(end(StackEnd::NoFramePointer, &nameless), StackEnd::NoFramePointer);
        assert_eq!(end(StackEnd::NoFramePointer, &[]), StackEnd::NoFramePointer);
    }
}
