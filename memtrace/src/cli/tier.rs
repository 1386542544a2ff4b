//! How closely a target is looked at: `--tier`.

use clap::ValueEnum;

/// What is traced of a target's memory, and what that costs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Which stacks touch pages first, so that resident memory grows, and who maps them. No function is probed:
    /// it costs a few percent, works for every program, and knows no blocks
    Pages,
    /// Every block of every allocator
    #[default]
    Exact,
}
