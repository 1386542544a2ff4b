//! What was found while a table was built.

/// Why a row says that its unwind information cannot be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// The canonical frame address follows from a register other than rsp and rbp.
    OtherRegister = 0,
    /// Or from an expression of an unknown form.
    Expression = 1,
    /// Or it is too far away.
    Offset = 2,
    /// The return address is not below the canonical frame address.
    ReturnAddress = 3,
    /// A signal frame that is not the kernel's.
    SignalFrame = 4,
    /// The instructions themselves are damaged, or more than we follow.
    Damaged = 5,
}

impl Reason {
    /// All of them, in order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::OtherRegister,
        Self::Expression,
        Self::Offset,
        Self::ReturnAddress,
        Self::SignalFrame,
        Self::Damaged,
    ];

    /// A name for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OtherRegister => "other_register",
            Self::Expression => "expression",
            Self::Offset => "offset",
            Self::ReturnAddress => "return_address",
            Self::SignalFrame => "signal_frame",
            Self::Damaged => "damaged",
        }
    }
}

/// Counts of what was found in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Functions (or parts of them) with unwind information for this file's code.
    pub functions: u32,
    /// Entries that could not be read, or that belong to no code of the file.
    pub skipped: u32,
    /// Rows before equal neighbours were joined.
    pub rows: u32,
    /// Rows that cannot be expressed, by [`Reason`].
    pub unsupported: [u32; Reason::ALL.len()],
    /// Rows that lose the caller's frame pointer, because it is saved in a way that cannot be
    /// expressed.
    pub frame_lost: u32,
    /// Rules that did not fit into the file's list.
    pub refused_rules: u32,
}

impl Stats {
    /// Rows that cannot be expressed, whatever the reason.
    #[must_use]
    pub fn unsupported_rows(&self) -> u32 {
        self.unsupported.iter().sum()
    }

    /// Counts one more row that cannot be expressed.
    pub(super) fn count(&mut self, reason: Reason) {
        self.unsupported[reason as usize] += 1;
    }
}
