//! Unwinding without frame pointers on x86-64: the tables' format and the pure step.
//!
//! A table says for every byte of a file's text how the caller's registers follow from the
//! callee's. It is sorted by file offset and cut into pages of a kibibyte: a [`Row`] keeps the low half
//! of the offset where it begins to hold and the number of a [`Rule`]; it holds to the next row.
//! Every page begins with a row for its first byte, so that a [`search`] stays inside one page.
//!
//! Of the registers only the instruction pointer, the stack pointer and the frame pointer are
//! followed. With these alone nearly every frame that compilers make can be described.

mod rule;
mod search;
mod space;
mod step;

pub use rule::{CfaKind, FrameKind, Row, Rule};
pub use search::{PAGE_BITS, PAGE_BYTES, SEARCH_STEPS, search};
pub use space::{CodeChanges, CodeRange, Extent, FRESH_CODE, PageRows, Space};
pub use step::{MAX_FRAME_BYTES, ReadWords, Registers, Step, step, step_frame_pointer};
