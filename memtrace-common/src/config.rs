//! Names of the kernel side's read-only globals (its knobs) and what their values mean.
//!
//! User space sets them before the object is loaded; the verifier then treats them as constants and
//! prunes the branches they switch off.

/// How entry and return of an allocator function reach the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LinkKind {
    /// One program for entry and return with a cookie between them (Linux 6.13).
    Session = 0,
    /// Two multi links, one for entries and one for returns (Linux 6.6).
    Multi = 1,
    /// One perf event per probe site (any Linux with uprobes).
    Perf = 2,
}

/// How call stacks are walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum UnwindMode {
    /// By the files' unwinding tables; where there is none, by frame pointers.
    #[default]
    Auto = 0,
    /// By tables alone.
    Tables = 1,
    /// By frame pointers alone.
    FramePointers = 2,
}

impl UnwindMode {
    /// The word for options, reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tables => "dwarf",
            Self::FramePointers => "fp",
        }
    }
}

impl LinkKind {
    /// The word for reports and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Multi => "multi",
            Self::Perf => "perf",
        }
    }
}
