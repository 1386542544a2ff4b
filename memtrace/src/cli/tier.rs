//! How closely a target is looked at: `--tier`.

use clap::ValueEnum;

/// What is traced of a target's memory, and what that costs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Which stacks touch pages first, so that resident memory grows, and who maps them. No function is probed:
    /// it costs a few percent, works for every program, and knows no blocks. Where page faults are many, some pages
    /// stand for others, and figures come with the range in which the true ones lie
    Pages,
    /// One allocation for so many bytes: --sample-interval, 512KiB if that is not given
    Sampled,
    /// Every block of every allocator: the same as --exact
    Exact,
    /// As `pages`, for as long as nothing grows: a process whose memory grows is sampled until the stacks that grow
    /// are named, then its probes go again. For weeks, and for whole machines
    Watch,
    /// Every block as long as that fits the budget, else samples. With --all and no option about blocks: `watch`
    #[default]
    Auto,
}

impl Tier {
    /// Pages that are touched are accounted for.
    pub(super) const fn has_touches(self) -> bool {
        matches!(self, Self::Pages | Self::Watch)
    }
}
