//! The seams between the engine and the outside world. All synchronous.

use crate::model::ids::{ModuleId, ProcessKey};
use crate::model::module::Module;
use std::sync::Arc;

/// What an event source has left after a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// The budget was used up; call again soon.
    More,
    /// Nothing is left for now.
    Idle,
    /// Nothing will ever come again.
    End,
}

/// Where records come from: the ring buffer, a recording, a generator.
pub trait EventSource {
    /// Hands at most `budget` records (as `memtrace_common::wire` lays them out) to `take`, oldest
    /// first.
    ///
    /// # Errors
    /// When the source itself fails; records already handed over stay valid.
    fn drain(
        &mut self,
        budget: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Drained, Box<dyn std::error::Error + Send + Sync>>;
}

/// One source-level frame of a resolved address. Inlined functions give several for one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFrame {
    /// Demangled function name.
    pub function: String,
    /// Its short form, without parameters and arguments of templates; `None`: the same.
    pub short: Option<String>,
    /// Source file, where debug information has it.
    pub file: Option<String>,
    /// Line, where debug information has it.
    pub line: Option<u32>,
    /// Inlined into the frame that follows.
    pub inlined: bool,
}

/// Why an address has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// The file could not be opened any more, or has another build-id now.
    FileGone,
    /// The file has no symbols at all.
    NoSymbols,
    /// The file has symbols, but none covers this address.
    NotCovered,
    /// The file could not be read as ELF.
    Unreadable,
    /// The file's symbols are larger than what is read.
    TooLarge,
    /// The runtime's map of generated code is not the target's own (owner, kind, a link).
    UntrustedMap,
}

impl Missing {
    /// The reason for people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::FileGone => "file gone or replaced",
            Self::NoSymbols => "no symbols",
            Self::NotCovered => "no symbol covers it",
            Self::Unreadable => "not readable as ELF",
            Self::TooLarge => "more symbols than are read",
            Self::UntrustedMap => "perf map not trusted",
        }
    }
}

/// Innermost function first; a miss carries its reason.
pub type Resolved = Result<Arc<[SourceFrame]>, Missing>;

/// Gives names to places in files.
pub trait Symbolizer {
    /// Resolves offsets in `module`, in order. Each is the address *after* a call, so the place
    /// looked up is one byte before it. The answer has as many entries as `offsets`.
    fn resolve(&mut self, module: &Module, offsets: &[u64]) -> Vec<Resolved>;

    /// Resolves addresses (again *after* calls) of `process` that are in no file, in order: generated
    /// code. `None`: nothing is known of it.
    fn resolve_generated(
        &mut self,
        _process: ProcessKey,
        addresses: &[u64],
    ) -> Vec<Option<Resolved>> {
        vec![None; addresses.len()]
    }

    /// Waits, a bounded time, for names that are on the way, so that resolving again gives more. False
    /// if none came.
    fn await_names(&mut self) -> bool {
        false
    }

    /// Whether the file has line tables; `None` when it is not known.
    fn has_debug_lines(&mut self, module: ModuleId) -> Option<bool>;
}

/// A symbolizer with generated code made another one's matter: `generated` is asked, which may ask it.
pub struct WithGenerated<'a, F> {
    /// Who names all else.
    pub symbolizer: &'a mut dyn Symbolizer,
    /// Answers [`Symbolizer::resolve_generated`].
    pub generated: F,
}

impl<F> Symbolizer for WithGenerated<'_, F>
where
    F: FnMut(&mut dyn Symbolizer, ProcessKey, &[u64]) -> Vec<Option<Resolved>>,
{
    fn resolve(&mut self, module: &Module, offsets: &[u64]) -> Vec<Resolved> {
        self.symbolizer.resolve(module, offsets)
    }

    fn resolve_generated(
        &mut self,
        process: ProcessKey,
        addresses: &[u64],
    ) -> Vec<Option<Resolved>> {
        (self.generated)(self.symbolizer, process, addresses)
    }

    fn await_names(&mut self) -> bool {
        self.symbolizer.await_names()
    }

    fn has_debug_lines(&mut self, module: ModuleId) -> Option<bool> {
        self.symbolizer.has_debug_lines(module)
    }
}
